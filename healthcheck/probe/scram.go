package probe

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
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
func (s *scram) final(challenge string) (string, error) {
	if s == nil {
		return "", judge("the server goes on with a login that was not begun")
	}
	fields := scramFields(challenge)
	salt, err := base64.StdEncoding.DecodeString(fields["s"])
	rounds, bad := strconv.Atoi(fields["i"])
	if err != nil || bad != nil || len(salt) == 0 || rounds < 1 || rounds > scramRounds ||
		!strings.HasPrefix(fields["r"], s.nonce) || fields["r"] == s.nonce {
		return "", judge("the server's challenge %s is not SCRAM's", quote(challenge))
	}
	salted, err := pbkdf2.Key(sha256.New, s.password, salt, rounds, sha256.Size)
	if err != nil {
		return "", mine("the password cannot be used: %v", err)
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
