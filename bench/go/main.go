// The peers in Go: minting with the official library, and an HTTP service made of it.
//
//	bench given <state file> <seconds>    for a given public key
//	bench creds <state file> <seconds>    with a new key pair, to a creds file
//	bench serve <state file> <port> <issuer> <audience>
//
// And a load at a constant rate:
//
//	bench attack <url> <requests per second> <number of the first> <seconds> <public keys file> <tokens file or "">
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// state is the file that bench/state.ts wrote.
type state struct {
	Account     string `json:"account"`
	Seed        string `json:"seed"`
	Lifetime    int64  `json:"ttl"`
	Permissions struct {
		Pub []string `json:"pub"`
		Sub []string `json:"sub"`
	} `json:"permissions"`
	PublicKeys []string `json:"publicKeys"`

	key nkeys.KeyPair
}

func main() {
	if os.Args[1] == "attack" {
		length := time.Duration(must(strconv.ParseFloat(os.Args[5], 64)) * float64(time.Second))
		fail(attack(os.Args[2], must(strconv.Atoi(os.Args[3])), must(strconv.Atoi(os.Args[4])), length, os.Args[6], os.Args[7]))
	}
	command, state := os.Args[1], readState(os.Args[2])
	switch command {
	case "given":
		timed(func(i int) string {
			return must(state.scopedUser(fmt.Sprintf("user-%d", i), state.PublicKeys[i%len(state.PublicKeys)]))
		})
	case "creds":
		timed(func(i int) string { return state.newUser(fmt.Sprintf("user-%d", i)) })
	case "serve":
		fail(serve(state, os.Args[3], os.Args[4], os.Args[5]))
	default:
		fail(fmt.Errorf("unknown command %q: use given, creds or serve", command))
	}
}

func readState(file string) *state {
	state := &state{}
	if err := json.Unmarshal(must(os.ReadFile(file)), state); err != nil {
		fail(err)
	}
	state.key = must(nkeys.FromSeed([]byte(state.Seed)))
	return state
}

// scopedUser makes a JWT whose permissions are in the account JWT.
func (s *state) scopedUser(name, publicKey string) (string, error) {
	claims := s.claims(name, publicKey)
	claims.SetScoped(true)
	return claims.Encode(s.key)
}

// newUser makes a key pair, a JWT with inline permissions, and a creds file of both.
func (s *state) newUser(name string) string {
	pair := must(nkeys.CreateUser())
	claims := s.claims(name, must(pair.PublicKey()))
	claims.Pub.Allow.Add(s.Permissions.Pub...)
	claims.Sub.Allow.Add(s.Permissions.Sub...)
	return string(must(jwt.FormatUserConfig(must(claims.Encode(s.key)), must(pair.Seed()))))
}

func (s *state) claims(name, publicKey string) *jwt.UserClaims {
	claims := jwt.NewUserClaims(publicKey)
	claims.Name = name
	claims.Expires = time.Now().Unix() + s.Lifetime
	claims.IssuerAccount = s.Account
	return claims
}

// timed repeats the work for the given number of seconds, after a warm-up, and prints the rates.
func timed(once func(i int) string) {
	seconds := must(strconv.ParseFloat(os.Args[3], 64))
	var made string
	run := func(length time.Duration) (perSecond, perProcessorSecond float64) {
		began, usedBefore, count := time.Now(), processorSeconds(), 0.0
		for time.Since(began) < length {
			made = once(int(count))
			count++
		}
		return count / time.Since(began).Seconds(), count / (processorSeconds() - usedBefore)
	}
	run(time.Duration(seconds * float64(time.Second) / 2))
	perSecond, perProcessorSecond := run(time.Duration(seconds * float64(time.Second)))
	token := must(jwt.ParseDecoratedJWT([]byte(made)))
	fmt.Println(string(must(json.Marshal(map[string]any{
		"perSecond": perSecond, "perProcessorSecond": perProcessorSecond, "jwt": token,
	}))))
}

// processorSeconds is the processor time that this process has used so far.
func processorSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		fail(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

func must[T any](value T, err error) T {
	if err != nil {
		fail(err)
	}
	return value
}

// fail ends the program: with 1 for an error, with 0 without one.
func fail(err error) {
	if err == nil {
		os.Exit(0)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
