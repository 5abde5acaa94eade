// Reads messages into the types of quicktype: main FILE [number], one message a line, in base64. With "number" integers
// in fields of any type keep their digits.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"os"
)

func read(text []byte, numbers bool) (Message, error) {
	var message Message
	decoder := json.NewDecoder(bytes.NewReader(text))
	if numbers {
		decoder.UseNumber()
	}
	err := decoder.Decode(&message)
	return message, err
}

func main() {
	file, err := os.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var messages []Message
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		text, err := base64.StdEncoding.DecodeString(lines.Text())
		if err != nil {
			log.Fatal(err)
		}
		message, err := read(text, len(os.Args) > 2)
		if err != nil {
			log.Fatal(err)
		}
		messages = append(messages, message)
	}
	fmt.Println(len(messages))
	for _, message := range messages[len(messages)-2:] {
		text, err := json.Marshal(message)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(text))
	}
}
