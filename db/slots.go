package db

import (
	"strconv"
	"strings"
	"sync"
)

// hashSlots is how many hash slots a Redis Cluster has.
const hashSlots = 16384

// slotOf returns the hash slot of a key, as the Redis Cluster specification defines it: from the part between the first
// { and the next }, unless that is empty or missing; then from the whole key.
func slotOf(key string) int {
	if _, after, found := strings.Cut(key, "{"); found {
		if tag, _, found := strings.Cut(after, "}"); found && tag != "" {
			key = tag
		}
	}
	return int(crc16(key) % hashSlots)
}

// crcPolynomial is that of CRC-16/XMODEM, which Redis uses.
const crcPolynomial = 0x1021

var crcTable = func() (table [256]uint16) {
	for i := range table {
		crc := uint16(i) << 8
		for range 8 {
			high := crc&0x8000 != 0
			if crc <<= 1; high {
				crc ^= crcPolynomial
			}
		}
		table[i] = crc
	}
	return table
}()

func crc16(text string) (crc uint16) {
	for i := range len(text) {
		crc = crc<<8 ^ crcTable[byte(crc>>8)^text[i]]
	}
	return crc
}

// clusterClockKeys returns the keys of the record of a clock that was set back.
func clusterClockKeys() (keys []string) {
	for _, slot := range []int{hashSlots / 6, hashSlots / 2, hashSlots * 5 / 6} {
		keys = append(keys, clockKey+strings.TrimPrefix(clusterEpochKeys()[slot], epochKey))
	}
	return keys
}

// clusterEpochKeys returns the key of each hash slot's epoch: auth:epoch:{n}, where n is the smallest number whose hash
// slot it is.
var clusterEpochKeys = sync.OnceValue(func() []string {
	keys := make([]string, hashSlots)
	for n, missing := 0, hashSlots; missing > 0; n++ {
		tag := strconv.Itoa(n)
		if slot := slotOf(tag); keys[slot] == "" {
			keys[slot] = epochKey + ":{" + tag + "}"
			missing--
		}
	}
	return keys
})
