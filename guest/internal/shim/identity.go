package shim

import (
	"bytes"
	"errors"
	"os"
	"strings"
)

// identity names one process for ever: a pid alone is used again.
type identity struct {
	PID       int    `json:"pid"`
	StartTime string `json:"start_time"`
	BootID    string `json:"boot_id"`
}

func ownIdentity() (identity, error) {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return identity{}, err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return identity{}, err
	}
	started, err := startTime(stat)
	return identity{PID: os.Getpid(), StartTime: started, BootID: strings.TrimSpace(string(boot))}, err
}

// startTime is field 22 of a stat file. The name of the program, field 2, may hold anything, so the last parenthesis ends it.
func startTime(stat []byte) (string, error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const index = 22 - 3
	if len(fields) <= index {
		return "", errors.New("the stat file is too short")
	}
	return string(fields[index]), nil
}
