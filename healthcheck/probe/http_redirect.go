package probe

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"usher/healthcheck"
)

// redirectsMost is how many redirects are followed.
const redirectsMost = 10

// askPath makes the request for one path, by a connection of its own, and one more for each
// redirect that is followed; and judges the last answer.
func askPath(ctx context.Context, c *healthcheck.Check, settings *healthcheck.HTTP, path, authorization string) (expiry time.Time, doing string, _ error) {
	h, first := *settings, path
	exchange := exchange1
	if h.Version == "2" {
		exchange = exchange2
	}
	for range redirectsMost + 1 {
		a, until, doing, err := exchange(ctx, c, &h, path, authorization)
		if !until.IsZero() {
			expiry = until
		}
		if err != nil {
			return expiry, doing, err
		}
		if !h.FollowRedirects || !redirects(a.Status) || a.Location == "" {
			return expiry, "judging the answer", judgeAnswer(ctx, &h, path, a)
		}
		foreign := false
		if path, foreign, err = follow(c, &h, path, a); err != nil {
			return expiry, "following a redirect", err
		}
		if foreign {
			authorization = ""
		}
	}
	return expiry, "following a redirect", judge("%s: more than %d redirects", first, redirectsMost)
}

// redirects says whether a status is one of those that Location goes with and that send
// elsewhere (RFC 9110 section 15.4).
func redirects(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// follow makes h the request that an answer redirects to, and gives its path. Whatever
// host the redirect names, the connection goes to the check's own address and port: it
// is this server that is looked at. So the other scheme, which is on another port,
// cannot be followed. To a foreign host goes no secret.
func follow(c *healthcheck.Check, h *healthcheck.HTTP, path string, a *answer) (_ string, foreign bool, _ error) {
	base, err := url.ParseRequestURI(requestTarget(path))
	if err != nil {
		return "", false, ownFault("path: %v", err)
	}
	base.Scheme, base.Host = string(c.Type), host(c, h)
	to, err := base.Parse(a.Location)
	if err != nil {
		return "", false, judge("%s redirects to %s, which is no URL", path, quote(a.Location))
	}
	if to.Scheme != base.Scheme {
		return "", false, judge("%s redirects to %s: a check of type %s follows no redirect to %s, which is another port's",
			path, quote(a.Location), c.Type, quote(to.Scheme))
	}
	if foreign = !strings.EqualFold(to.Host, base.Host); foreign {
		h.Host = to.Host
		h.Headers = slices.DeleteFunc(slices.Clone(h.Headers), healthcheck.Header.Secret)
	}
	if a.Status == http.StatusSeeOther && h.Method != http.MethodHead ||
		(a.Status == http.StatusMovedPermanently || a.Status == http.StatusFound) && h.Method == http.MethodPost {
		h.Method, h.Body = http.MethodGet, ""
	}
	return to.RequestURI(), foreign, nil
}
