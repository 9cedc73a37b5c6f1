// A listener that answers OK to every event, for `benches/programs`. Written by hand, with Go's standard library alone.
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"strings"
)

func main() {
	input := bufio.NewReader(os.Stdin)
	for {
		fmt.Print("READY\n")
		line, err := input.ReadString('\n')
		if err == io.EOF && line == "" {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		header := make(map[string]string)
		for _, token := range strings.Fields(line) {
			if key, value, found := strings.Cut(token, ":"); found {
				header[key] = value
			}
		}
		length, err := strconv.Atoi(header["len"])
		if err != nil {
			log.Fatal(err)
		}
		if _, err := readCharacters(input, length); err != nil {
			log.Fatal(err)
		}
		fmt.Print("RESULT 2\nOK")
	}
}

// supervisord's `len` counts code points, not bytes.
func readCharacters(input *bufio.Reader, count int) (string, error) {
	var payload strings.Builder
	for ; count > 0; count-- {
		character, _, err := input.ReadRune()
		if err != nil {
			return "", err
		}
		payload.WriteRune(character)
	}
	return payload.String(), nil
}
