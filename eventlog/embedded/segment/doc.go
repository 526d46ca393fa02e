// Package segment keeps the records of a log on disk: appended in groups, one write and one sync each, found by position
// and by stream and revision. It is outside any tree of sorted files, because nearly every stream is new and short: what
// an LSM tree spends on their keys was the largest part of an append.
//
// A [Store] has one writer and any number of readers. It knows a record by its bytes; what they mean is told by
// [Options].Inspect.
//
// # On disk
//
// Numbers are big-endian. Files are named by the first position they hold, in 16 hexadecimal digits.
//
// FIRST.seg holds the records, dense from position FIRST:
//
//	"hooklog segment\n"(16) version(4) = 1, first(8), CRC-32C(4) of all before
//	groups, one after the other, then zeros that were to be written over:
//	  "HGRP"(4) bytes(4) of records, records(4), first position(8), own offset in the file(8),
//	  flags(4): 1 if whoever wrote the group had synced the one before, CRC-32C(4) of all before
//	  each record: length(4) and that many bytes, which carry a checksum of their own
//
// FIRST.pos says where the records of a segment that will not grow are:
//
//	"hooklog offsets\n"(16) version(4) = 1, first(8), records(4),
//	offset(4) of each record's length, and of the end of the last record, CRC-32C(4) of all before
//
// FIRST-LAST.idx finds the records of one or more such segments by stream:
//
//	"hooklog streams\n"(16) version(4) = 3, first(8), last(8), entries(8), entries with an untimed key(8),
//	blocks of the filter(4), CRC-32C(4) of all before
//	pages of 4,096 bytes, 18 of entries and one of their filters in turn; fewer of entries before the last one of filters:
//	  of entries: up to 170 of them, zeros, entries in the page(4), zeros(4), CRC-32C(4) of all before
//	    entry: key of the stream's name(8), revision(4), position less FIRST(4), in that order; where in its segment the
//	      record's length(4) and what is behind the record(4) begin
//	  of filters: for each of those pages a Bloom filter of its keys(220), CRC-32C(4) of that; then zeros
//	the first key(8) of each page of entries
//	filter: blocks of 64 bytes, a Bloom filter of the untimed keys; none if there are over 1.6 million
//	CRC-32C(4) of the first keys and the filter
//
// The key of a name that ends in a UUID of version 7 from before the year 2109 is timed: the UUID's milliseconds / 1,024(4)
// and the lower half of XXH64(4) of the name with the last bit 1. That of any other name is XXH64(8) with the last bit 0.
//
// Indexes of version 1, where a key was XXH64 and the filter one of all keys, and of version 2, whose entries did not say
// where the records are, are removed on opening and written anew, for which the segments are read through. Whoever opens
// read-only keeps in memory what was read.
//
// # Growing
//
// The last segment grows; its offsets and streams are held in memory, and it is filled with zeros ahead of the writer, since a
// sync that makes a file longer takes many times as long as one that does not. When it has [Options].Bytes it is closed: a new
// one takes the appends, and FIRST.pos and FIRST-LAST.idx are written beside, each under another name, synced and
// renamed. Eight neighbouring indexes of a size are merged into one, so that a look-up asks few.
//
// # Looking up
//
// Nearly every stream that is looked for is of now, and mostly new. Its key begins with the time and so has its place on
// the same page of an index as all others of now: the filter of that page is kept in memory, one for each index, and says
// in 99 of 100 cases that the stream is not there. A timed key of before leads to the index of that time. Whatever time a
// name has, true or not, an index is passed over only if a filter, or the order of the keys, proves that it has nothing.
//
// For untimed keys there are filters in memory, of up to 2 MiB; an index with more of them is asked by a read of 224 bytes,
// and its file stays open. Besides, the first keys of the pages are in memory, 8 bytes for 170 records: so what is kept
// hardly grows with the log. A look-up reads a page of each index that has the stream, and the record; one by position
// reads a page of offsets, and the record.
// Pages that were lately read are kept, up to 2 MiB of them, and 16 files open.
//
// # Crashes
//
// On opening, segments without FIRST.pos or an index are read through. What a crash tears is the end of the last group,
// which nobody was told of; it is cut off. A group that was written after a later one was synced proves that what is torn
// before it had been synced: then the disk lost what it promised to keep, and Open says so instead of cutting. A last
// segment that is small is written anew and goes on; a large one is closed.
package segment
