// Command agent answers at the address of EKS' agent for Pod Identity, and passes each question on to the one program that
// has the answers. Argument: that program's URL.
package main

import (
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"
)

func main() {
	answering, err := url.Parse(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{
		Addr:              "169.254.170.23:80",
		Handler:           httputil.NewSingleHostReverseProxy(answering),
		ReadHeaderTimeout: 10 * time.Second,
	}
	log.Fatal(server.ListenAndServe())
}
