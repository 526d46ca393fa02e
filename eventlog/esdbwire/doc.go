// Package esdbwire reads and writes messages of protobuf by hand, for those few of EventStoreDB's protocol of which there
// are so many that the generated code, which makes an object of each part and goes by reflection, costs more than what is
// done with them. Which these are is left to eventlog/esdb and eventlog/esdbserver.
package esdbwire
