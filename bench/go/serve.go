package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
)

type request struct {
	PublicKey string `json:"public_key"`
}

type response struct {
	JWT string `json:"jwt"`
}

// serve handles POST /creds, which takes an OIDC token and a public key and returns a user JWT. It verifies the token each time.
func serve(state *state, port, issuer, audience string) error {
	provider, err := oidc.NewProvider(context.Background(), issuer)
	if err != nil {
		return err
	}
	verifier := provider.Verifier(&oidc.Config{ClientID: audience})

	http.HandleFunc("POST /creds", func(w http.ResponseWriter, r *http.Request) {
		token, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !isBearer {
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		identity, err := verifier.Verify(r.Context(), token)
		if err != nil {
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		var body request
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 8192)).Decode(&body); err != nil {
			http.Error(w, "invalid request", http.StatusBadRequest)
			return
		}
		made, err := state.scopedUser(identity.Subject, body.PublicKey)
		if err != nil {
			http.Error(w, "invalid public key", http.StatusUnprocessableEntity)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(response{JWT: made})
	})
	return http.ListenAndServe(net.JoinHostPort("127.0.0.1", port), nil)
}
