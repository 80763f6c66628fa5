// SPDX-License-Identifier: Apache-2.0
// A page of JSON, scanned by simdjson's on-demand parser: for each record where its bytes are, its id, and the few values
// that the engine needs. The record's bytes are never decoded.
#ifndef LOCKSTEP_CSIMDJSON_H
#define LOCKSTEP_CSIMDJSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum lockstep_scan_status {
    LOCKSTEP_SCAN_OK = 0,
    LOCKSTEP_SCAN_NOT_JSON,
    LOCKSTEP_SCAN_TRUNCATED,
    LOCKSTEP_SCAN_RECORDS_MISSING,
    LOCKSTEP_SCAN_RECORDS_NOT_ARRAY,
    LOCKSTEP_SCAN_TOO_MANY_RECORDS,
    LOCKSTEP_SCAN_NO_MEMORY,
};

enum lockstep_reject_reason {
    LOCKSTEP_REJECT_NONE = 0,
    LOCKSTEP_REJECT_NUL,
    LOCKSTEP_REJECT_SURROGATE,
    LOCKSTEP_REJECT_MISSING_ID,
    LOCKSTEP_REJECT_TOO_LARGE,
    LOCKSTEP_REJECT_INVALID_UTF8,
    LOCKSTEP_REJECT_NOT_OBJECT,
    LOCKSTEP_REJECT_ID_TOO_LONG,
    LOCKSTEP_REJECT_TOO_DEEP,
};

enum lockstep_scalar_kind {
    LOCKSTEP_SCALAR_ABSENT = 0,
    LOCKSTEP_SCALAR_NULL,
    LOCKSTEP_SCALAR_FALSE,
    LOCKSTEP_SCALAR_TRUE,
    LOCKSTEP_SCALAR_NUMBER,
    LOCKSTEP_SCALAR_STRING,
    LOCKSTEP_SCALAR_COMPOSITE,
};

// A scalar's text is in the scanner's arena: a string unescaped, a number as written.
typedef struct {
    uint32_t kind;
    uint32_t offset;
    uint32_t length;
} lockstep_scalar;

// Offsets of the record count from the start of the body, those of scalars and of the id from the start of the arena.
typedef struct {
    uint32_t offset;
    uint32_t length;
    uint32_t id_offset;
    uint32_t id_length;
    uint32_t reject;
    uint32_t first_scalar;
} lockstep_record;

// A path is a list of member names; a null name ends it, and an empty list is the document itself.
typedef const char *_Nullable const *_Nullable lockstep_path;

typedef struct {
    lockstep_path records;
    const lockstep_path *_Nullable ids;
    size_t id_count;
    // Values that are read from each record: `scalar_count` scalars follow one another for each record.
    const lockstep_path *_Nullable scalars;
    size_t scalar_count;
    const lockstep_path *_Nullable envelope;
    size_t envelope_count;
    uint32_t max_record_bytes;
    uint32_t max_id_bytes;
    // Objects and arrays within one another, the record itself included.
    uint32_t max_depth;
    uint32_t max_records;
    // Each line is a record; `records` and `envelope` mean nothing.
    bool is_lines;
    // `records` is one record.
    bool is_single;
    // A page without the member `records` is an empty page.
    bool may_lack_records;
    // `records` is an object whose values are the records: each name is put into its record as this member. Null for an
    // array of records.
    const char *_Nullable key_member;
} lockstep_scan_plan;

typedef struct lockstep_scanner lockstep_scanner;

lockstep_scanner *_Nullable lockstep_scanner_new(void);
void lockstep_scanner_free(lockstep_scanner *_Nullable scanner);

// Scans `length` bytes; the 64 bytes behind them must be readable. The results are valid until the next call.
enum lockstep_scan_status lockstep_scan(
    lockstep_scanner *_Nonnull scanner, const uint8_t *_Nonnull body, size_t length,
    const lockstep_scan_plan *_Nonnull plan);

size_t lockstep_record_count(const lockstep_scanner *_Nonnull scanner);
const lockstep_record *_Nullable lockstep_records(const lockstep_scanner *_Nonnull scanner);
const lockstep_scalar *_Nullable lockstep_scalars(const lockstep_scanner *_Nonnull scanner);
const lockstep_scalar *_Nullable lockstep_envelope(const lockstep_scanner *_Nonnull scanner);
// The text that the records' places refer to where it is not the body: records that got their names as members. Null, and
// length 0, where it is the body.
const uint8_t *_Nullable lockstep_rebuilt(const lockstep_scanner *_Nonnull scanner, size_t *_Nonnull length);
const uint8_t *_Nullable lockstep_arena(const lockstep_scanner *_Nonnull scanner, size_t *_Nonnull length);

#ifdef __cplusplus
}
#endif
#endif
