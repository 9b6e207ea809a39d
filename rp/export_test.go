package rp

// ReadObject lets tests hold the JSON reader against encoding/json.
var ReadObject = readObject
