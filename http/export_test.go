package http

// ReadPublication lets tests outside the package read a message as publishing does.
var ReadPublication = readPublication
