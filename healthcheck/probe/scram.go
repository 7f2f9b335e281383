package probe

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
)

// scram is the client's side of SCRAM-SHA-256 without channel binding (RFC 5802,
// RFC 7677), as PostgreSQL has it: the user's name is in the startup message.
type scram struct {
	password string
	nonce    string
	bare     string
	server   []byte // the signature that the server must show
}

// scramRounds is the most work that a server may ask for: more would be an attack.
const scramRounds = 1 << 20

func newScram(password string) *scram {
	return &scram{password: password, nonce: rand.Text()}
}

// first is the client-first-message.
func (s *scram) first() string {
	s.bare = "n=,r=" + s.nonce
	return "n,," + s.bare
}

// final is the client-final-message that answers the server-first-message.
func (s *scram) final(ctx context.Context, challenge string) (string, error) {
	if s == nil {
		return "", judge("the server goes on with a login that was not begun")
	}
	fields := scramFields(challenge)
	salt, err := base64.StdEncoding.DecodeString(fields["s"])
	rounds, bad := strconv.Atoi(fields["i"])
	if err != nil || bad != nil || len(salt) == 0 || rounds < 1 ||
		!strings.HasPrefix(fields["r"], s.nonce) || fields["r"] == s.nonce {
		return "", judge("the server's challenge %s is not SCRAM's", quote(challenge))
	}
	if rounds > scramRounds {
		return "", judge("the server asks for %d iterations of SCRAM, more than the %d that a check does", rounds, scramRounds)
	}
	salted, err := saltedPassword(ctx, s.password, salt, rounds)
	if errors.Is(err, context.DeadlineExceeded) {
		return "", judge("the server asks for %d iterations of SCRAM, more than this machine does within the timeout", rounds)
	}
	if err != nil {
		return "", err
	}
	without := "c=biws,r=" + fields["r"]
	message := s.bare + "," + challenge + "," + without
	client := sign(salted, "Client Key")
	stored := sha256.Sum256(client)
	proof := sign(stored[:], message)
	subtle.XORBytes(proof, proof, client)
	s.server = sign(sign(salted, "Server Key"), message)
	return without + ",p=" + base64.StdEncoding.EncodeToString(proof), nil
}

// stride is after how many iterations saltedPassword looks whether it is to end: a
// fraction of a millisecond.
const stride = 1 << 10

// saltedPassword is SaltedPassword of RFC 5802 section 3: Hi of section 2.2, which is
// PBKDF2 of one block. The standard library's goes on for as long as the server says;
// this one ends with ctx.
func saltedPassword(ctx context.Context, password string, salt []byte, rounds int) ([]byte, error) {
	prf := hmac.New(sha256.New, []byte(password))
	prf.Write(binary.BigEndian.AppendUint32(bytes.Clone(salt), 1))
	u := prf.Sum(nil)
	key := bytes.Clone(u)
	for n := 1; n < rounds; n++ {
		if n%stride == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		prf.Reset()
		prf.Write(u)
		u = prf.Sum(u[:0])
		subtle.XORBytes(key, key, u)
	}
	return key, nil
}

// verify checks the server-final-message: the server knows the password too.
func (s *scram) verify(final string) error {
	if s == nil || s.server == nil {
		return judge("the server ends a login that was not begun")
	}
	got, err := base64.StdEncoding.DecodeString(scramFields(final)["v"])
	if err != nil || !hmac.Equal(got, s.server) {
		return judge("the server could not prove that it knows the password")
	}
	return nil
}

func scramFields(s string) map[string]string {
	fields := make(map[string]string)
	for part := range strings.SplitSeq(s, ",") {
		if name, value, ok := strings.Cut(part, "="); ok {
			fields[name] = value
		}
	}
	return fields
}

func sign(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
