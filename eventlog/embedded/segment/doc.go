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
//	"hooklog streams\n"(16) version(4) = 1, first(8), last(8), entries(8), blocks of the filter(4), CRC-32C(4) of all before
//	pages of 4,096 bytes: up to 255 entries, zeros, entries in the page(4), zeros(4), CRC-32C(4) of all before
//	  entry: XXH64 of the stream's name(8), revision(4), position less FIRST(4); in that order
//	the first hash(8) of each page
//	filter: blocks of 64 bytes, a Bloom filter of the hashes
//	CRC-32C(4) of the first hashes and the filter
//
// # Growing
//
// The last segment grows; its offsets and streams are held in memory. When it has [Options].Bytes it is closed: a new
// one takes the appends, and FIRST.pos and FIRST-LAST.idx are written beside, each under another name, synced and
// renamed. Eight neighbouring indexes of a size are merged into one, so that a look-up asks few filters.
//
// # Looking up
//
// The filters and the first hashes of the pages are in memory, so a look-up reads a page of each index that has the
// stream, a page of offsets, and the record. Pages that were lately read are kept, up to 2 MiB of them, and 16 files open.
//
// # Crashes
//
// On opening, segments without FIRST.pos are read through. What a crash tears is the end of the last group, which
// nobody was told of; it is cut off. A group that was written after a later one was synced proves that what is torn
// before it had been synced: then the disk lost what it promised to keep, and Open says so instead of cutting. A last
// segment that is small is written anew and goes on; a large one is closed.
package segment
