package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// attack sends a constant number of requests a second, whether earlier ones have their responses or not, as users do. A
// request that must wait for a connection or for its turn has a longer latency, and is not left out. It prints one line of
// JSON, with latencies in milliseconds.
func attack(url string, rate, first int, length time.Duration, keysFile, tokensFile string) error {
	keys, tokens := lines(keysFile), []string(nil)
	if tokensFile != "" {
		tokens = lines(tokensFile)
	}
	var sent atomic.Int64
	targeter := func(target *vegeta.Target) error {
		number := first + int(sent.Add(1)) - 1
		key := keys[number%len(keys)]
		target.Method, target.URL = http.MethodPost, url
		target.Header = http.Header{"Content-Type": {"application/json"}}
		if tokens != nil {
			target.Header.Set("Authorization", "Bearer "+tokens[number%len(tokens)])
			target.Body = fmt.Appendf(nil, `{"public_key":%q}`, key)
		} else {
			target.Body = fmt.Appendf(nil, `{"user":"user-%d","public_key":%q}`, number, key)
		}
		return nil
	}
	var metrics vegeta.Metrics
	attacker := vegeta.NewAttacker(vegeta.Timeout(10 * time.Second))
	for result := range attacker.Attack(targeter, vegeta.Rate{Freq: rate, Per: time.Second}, length, "") {
		metrics.Add(result)
	}
	metrics.Close()
	milliseconds := func(quantile float64) float64 {
		return float64(metrics.Latencies.Quantile(quantile)) / float64(time.Millisecond)
	}
	report, err := json.Marshal(map[string]any{
		"requests": metrics.Requests, "perSecond": metrics.Throughput,
		"failed": int(metrics.Requests) - metrics.StatusCodes["200"],
		"p50":    milliseconds(0.5), "p99": milliseconds(0.99), "p999": milliseconds(0.999),
	})
	fmt.Println(string(report))
	return err
}

func lines(file string) []string {
	return strings.Split(strings.TrimSpace(string(must(os.ReadFile(file)))), "\n")
}
