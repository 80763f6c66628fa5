// SPDX-License-Identifier: Apache-2.0
#include "CSimdJSON.h"

#include <cctype>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include <simdjson.h>

using namespace simdjson;

struct lockstep_scanner {
    ondemand::parser parser;
    std::vector<lockstep_record> records;
    std::vector<lockstep_scalar> scalars;
    std::vector<lockstep_scalar> envelope;
    std::vector<uint8_t> arena;
    // A copy with invalid bytes replaced, one for one, when the body is not UTF-8.
    std::vector<uint8_t> mended;
    bool is_mended = false;
    // Records of an object keyed by id, as an array of records that have their ids.
    std::vector<uint8_t> rebuilt;
};

namespace {

// Errors after which the parser can go on: a member that is absent, or a value that is not what was asked for. After
// any other the text is not JSON, and the parser must not be touched again.
bool is_soft(error_code error) {
    return error == NO_SUCH_FIELD || error == INCORRECT_TYPE || error == STRING_ERROR || error == NUMBER_ERROR;
}

bool is_space(uint8_t byte) { return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t'; }

// Takes the next step of a path: a member of an object, or an element of an array by its number.
error_code step(ondemand::value &value, const char *token) {
    ondemand::json_type type;
    if (error_code error = value.type().get(type)) return error;
    if (type == ondemand::json_type::array) {
        char *end = nullptr;
        unsigned long index = strtoul(token, &end, 10);
        if (!isdigit(static_cast<unsigned char>(token[0])) || *end) return NO_SUCH_FIELD;
        ondemand::array array;
        if (error_code error = value.get_array().get(array)) return error;
        error_code error = array.at(index).get(value);
        return error == INDEX_OUT_OF_BOUNDS ? NO_SUCH_FIELD : error;
    }
    ondemand::object object;
    if (error_code error = value.get_object().get(object)) return error;
    return object.find_field_unordered(token).get(value);
}

// Walks from an object to a member of a member of it.
error_code walk(ondemand::object &object, lockstep_path path, ondemand::value &value) {
    error_code error = object.find_field_unordered(path[0]).get(value);
    for (size_t depth = 1; !error && path[depth]; depth++) error = step(value, path[depth]);
    return error;
}

lockstep_scalar keep(lockstep_scanner &scanner, uint32_t kind, std::string_view text) {
    lockstep_scalar scalar{kind, uint32_t(scanner.arena.size()), uint32_t(text.size())};
    scanner.arena.insert(scanner.arena.end(), text.begin(), text.end());
    return scalar;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_space(uint8_t(text.back()))) text.remove_suffix(1);
    return text;
}

// Reads a value as a scalar; an error only for text that is not JSON.
error_code read_scalar(lockstep_scanner &scanner, ondemand::value value, lockstep_scalar &scalar) {
    ondemand::json_type type;
    error_code error = value.type().get(type);
    if (error) return error;
    switch (type) {
    case ondemand::json_type::string: {
        std::string_view text;
        error = value.get_string().get(text);
        if (!error) scalar = keep(scanner, LOCKSTEP_SCALAR_STRING, text);
        return error;
    }
    case ondemand::json_type::number:
        scalar = keep(scanner, LOCKSTEP_SCALAR_NUMBER, trimmed(value.raw_json_token()));
        return SUCCESS;
    case ondemand::json_type::boolean: {
        bool flag = false;
        error = value.get_bool().get(flag);
        scalar = {flag ? uint32_t(LOCKSTEP_SCALAR_TRUE) : uint32_t(LOCKSTEP_SCALAR_FALSE), 0, 0};
        return error;
    }
    case ondemand::json_type::null:
        scalar = {LOCKSTEP_SCALAR_NULL, 0, 0};
        return SUCCESS;
    default:
        scalar = {LOCKSTEP_SCALAR_COMPOSITE, 0, 0};
        return SUCCESS;
    }
}

// Whether the bytes hold an escape that Postgres' jsonb cannot: \u0000, or half of a surrogate pair.
uint32_t forbidden_escape(const uint8_t *bytes, size_t length) {
    const uint8_t *end = bytes + length;
    const uint8_t *at = bytes;
    auto hex = [](const uint8_t *digits) {
        uint32_t value = 0;
        for (int index = 0; index < 4; index++) {
            uint8_t digit = digits[index];
            uint32_t nibble = digit >= '0' && digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;
            value = value << 4 | (nibble & 0xF);
        }
        return value;
    };
    while (at < end && (at = static_cast<const uint8_t *>(memchr(at, '\\', size_t(end - at))))) {
        if (end - at < 6 || at[1] != 'u') {
            at += 2;
            continue;
        }
        uint32_t unit = hex(at + 2);
        at += 6;
        if (unit == 0) return LOCKSTEP_REJECT_NUL;
        if (unit >= 0xDC00 && unit <= 0xDFFF) return LOCKSTEP_REJECT_SURROGATE;
        if (unit < 0xD800 || unit > 0xDBFF) continue;
        if (end - at < 6 || at[0] != '\\' || at[1] != 'u') return LOCKSTEP_REJECT_SURROGATE;
        uint32_t low = hex(at + 2);
        if (low < 0xDC00 || low > 0xDFFF) return LOCKSTEP_REJECT_SURROGATE;
        at += 6;
    }
    return LOCKSTEP_REJECT_NONE;
}

// How many bytes open an object or an array, those in texts included.
size_t count_openings(const uint8_t *bytes, size_t length) {
    size_t total = 0, at = 0;
    // Sums of a byte each, which compilers add up many at a time.
    for (; at + 128 <= length; at += 128) {
        uint8_t sum = 0;
        for (size_t index = 0; index < 128; index++) sum += (bytes[at + index] | 0x20) == '{';
        total += sum;
    }
    for (; at < length; at++) total += (bytes[at] | 0x20) == '{';
    return total;
}

// A bit for each of eight bytes that is the one repeated in `pattern`.
uint64_t matches(uint64_t word, uint64_t pattern) {
    const uint64_t low = 0x7F7F7F7F7F7F7F7F;
    uint64_t other = word ^ pattern;
    uint64_t high = ~(((other & low) + low) | other | low);
    return (high * 0x0002040810204081) >> 56;
}

// The brackets of a text, 64 bytes at a time, without those in its strings.
struct bracket_reader {
    uint64_t opened = 0, closed = 0;
    uint64_t ends_escaping = 0, ends_in_string = 0;

    void read(const uint8_t *block) {
        uint64_t quotes = 0, backslashes = 0;
        opened = closed = 0;
        for (int part = 0; part < 8; part++) {
            uint64_t word;
            memcpy(&word, block + part * 8, 8);
            uint64_t folded = word | 0x2020202020202020;
            quotes |= matches(word, 0x2222222222222222) << part * 8;
            backslashes |= matches(word, 0x5C5C5C5C5C5C5C5C) << part * 8;
            opened |= matches(folded, 0x7B7B7B7B7B7B7B7B) << part * 8;
            closed |= matches(folded, 0x7D7D7D7D7D7D7D7D) << part * 8;
        }
        uint64_t in_string = quotes & ~escaped(backslashes);
        for (int shift = 1; shift < 64; shift *= 2) in_string ^= in_string << shift;
        in_string ^= ends_in_string;
        ends_in_string = uint64_t(int64_t(in_string) >> 63);
        opened &= ~in_string;
        closed &= ~in_string;
    }

private:
    // The bytes behind an odd number of backslashes.
    uint64_t escaped(uint64_t backslashes) {
        if (!backslashes) return std::exchange(ends_escaping, 0);
        const uint64_t even = 0x5555555555555555;
        backslashes &= ~ends_escaping;
        uint64_t follows = backslashes << 1 | ends_escaping;
        uint64_t odd_starts = backslashes & ~even & ~follows;
        uint64_t sum = odd_starts + backslashes;
        ends_escaping = sum < odd_starts;
        return (even ^ sum << 1) & follows;
    }
};

// Whether more objects and arrays than that are within one another. The parser goes on whatever the depth; Postgres, which
// is recursive, does not.
bool too_deep(const uint8_t *bytes, size_t length, uint32_t limit) {
    // A level takes two bytes, and a record of few brackets has few levels: hardly any record is looked at more closely.
    if (length / 2 <= limit || count_openings(bytes, length) <= limit) return false;
    bracket_reader reader;
    int64_t depth = 0;
    for (size_t at = 0; at < length; at += 64) {
        uint8_t last[64] = {};
        if (length - at < 64) memcpy(last, bytes + at, length - at);
        reader.read(length - at < 64 ? last : bytes + at);
        int64_t opened = __builtin_popcountll(reader.opened);
        // Only where the block could pass the limit does the order of its brackets matter.
        if (depth + opened > limit) {
            int64_t inner = depth;
            for (uint64_t rest = reader.opened | reader.closed; rest; rest &= rest - 1) {
                inner += reader.opened & rest & -rest ? 1 : -1;
                if (inner > limit) return true;
            }
        }
        depth += opened - __builtin_popcountll(reader.closed);
    }
    return false;
}

// Whether a scalar can be an id, or a part of one. Of numbers only whole ones name things: 1.0 and 1 would be two ids
// of one object.
bool names(const lockstep_scanner &scanner, const lockstep_scalar &scalar) {
    const uint8_t *text = scanner.arena.data() + scalar.offset;
    if (scalar.length == 0) return false;
    if (scalar.kind == LOCKSTEP_SCALAR_STRING) return !memchr(text, 0, scalar.length);
    if (scalar.kind != LOCKSTEP_SCALAR_NUMBER) return false;
    for (size_t index = 0; index < scalar.length; index++) {
        if (text[index] != '-' && (text[index] < '0' || text[index] > '9')) return false;
    }
    return true;
}

// Appends the id to the arena, its parts joined by "/"; marks the record when it has none.
error_code read_id(
    lockstep_scanner &scanner, ondemand::object &object, const lockstep_scan_plan &plan,
    lockstep_record &record) {
    record.id_offset = uint32_t(scanner.arena.size());
    bool usable = true;
    for (size_t part = 0; usable && part < plan.id_count; part++) {
        if (part > 0) scanner.arena.push_back('/');
        ondemand::value value;
        lockstep_scalar scalar{};
        error_code error = walk(object, plan.ids[part], value);
        if (!error) error = read_scalar(scanner, value, scalar);
        if (error && !is_soft(error)) return error;
        usable = !error && names(scanner, scalar);
    }
    size_t length = scanner.arena.size() - record.id_offset;
    if (!usable) {
        record.reject = LOCKSTEP_REJECT_MISSING_ID;
        return SUCCESS;
    }
    record.id_length = uint32_t(length);
    if (length > plan.max_id_bytes) record.reject = LOCKSTEP_REJECT_ID_TOO_LONG;
    return SUCCESS;
}

// The text of a value that is no object.
error_code raw_text(ondemand::value &value, ondemand::json_type type, std::string_view &raw) {
    if (type != ondemand::json_type::array) {
        raw = value.raw_json_token();
        return SUCCESS;
    }
    ondemand::array array;
    if (error_code error = value.get_array().get(array)) return error;
    return array.raw_json().get(raw);
}

// Scans one element of the array; an error only when the rest of the page cannot be read.
error_code scan_element(
    lockstep_scanner &scanner, ondemand::value element, const uint8_t *body, const lockstep_scan_plan &plan) {
    lockstep_record record{};
    record.first_scalar = uint32_t(scanner.scalars.size());
    ondemand::json_type type;
    if (error_code error = element.type().get(type)) return error;
    std::string_view raw;
    if (type != ondemand::json_type::object) {
        if (error_code error = raw_text(element, type, raw)) return error;
        record.reject = LOCKSTEP_REJECT_NOT_OBJECT;
    } else {
        ondemand::object object;
        if (error_code error = element.get_object().get(object)) return error;
        if (error_code error = read_id(scanner, object, plan, record)) return error;
        for (size_t index = 0; index < plan.scalar_count; index++) {
            lockstep_scalar scalar{};
            ondemand::value value;
            error_code error = walk(object, plan.scalars[index], value);
            if (!error) error = read_scalar(scanner, value, scalar);
            if (error && !is_soft(error)) return error;
            scanner.scalars.push_back(scalar);
        }
        bool ignored;
        if (error_code error = object.reset().get(ignored)) return error;
        if (error_code error = object.raw_json().get(raw)) return error;
    }
    raw = trimmed(raw);
    const uint8_t *bytes = reinterpret_cast<const uint8_t *>(raw.data());
    record.offset = uint32_t(bytes - body);
    record.length = uint32_t(raw.size());
    if (!record.reject && record.length > plan.max_record_bytes) record.reject = LOCKSTEP_REJECT_TOO_LARGE;
    if (!record.reject && too_deep(bytes, raw.size(), plan.max_depth)) record.reject = LOCKSTEP_REJECT_TOO_DEEP;
    if (!record.reject) record.reject = forbidden_escape(bytes, raw.size());
    scanner.records.push_back(record);
    return SUCCESS;
}

enum lockstep_scan_status status_of(error_code error) {
    switch (error) {
    case INCOMPLETE_ARRAY_OR_OBJECT:
    case UNCLOSED_STRING:
        return LOCKSTEP_SCAN_TRUNCATED;
    case MEMALLOC: return LOCKSTEP_SCAN_NO_MEMORY;
    default: return LOCKSTEP_SCAN_NOT_JSON;
    }
}

// The value that holds the records: a member of the document. `root` is where the document's object is kept meanwhile.
enum lockstep_scan_status find_member(
    ondemand::document &document, const lockstep_scan_plan &plan, ondemand::object &root, ondemand::value &value) {
    ondemand::json_type type;
    if (error_code error = document.type().get(type)) return status_of(error);
    bool composite = type == ondemand::json_type::object || type == ondemand::json_type::array;
    if (!composite) return LOCKSTEP_SCAN_NOT_JSON;
    if (type != ondemand::json_type::object) return LOCKSTEP_SCAN_RECORDS_MISSING;
    if (error_code error = document.get_object().get(root)) return status_of(error);
    error_code error = walk(root, plan.records, value);
    if (error && is_soft(error)) return LOCKSTEP_SCAN_RECORDS_MISSING;
    return error ? status_of(error) : LOCKSTEP_SCAN_OK;
}

// One record: a member of the document, or the document itself.
enum lockstep_scan_status scan_single(
    lockstep_scanner &scanner, ondemand::document &document, const uint8_t *body,
    const lockstep_scan_plan &plan) {
    ondemand::object root;
    ondemand::value value;
    if (plan.records[0]) {
        enum lockstep_scan_status status = find_member(document, plan, root, value);
        if (status == LOCKSTEP_SCAN_RECORDS_MISSING && plan.may_lack_records) return LOCKSTEP_SCAN_OK;
        if (status != LOCKSTEP_SCAN_OK) return status;
    } else if (error_code error = document.get_value().get(value)) {
        return error == SCALAR_DOCUMENT_AS_VALUE ? LOCKSTEP_SCAN_NOT_JSON : status_of(error);
    }
    ondemand::json_type type;
    if (error_code error = value.type().get(type)) return status_of(error);
    if (type != ondemand::json_type::object) return LOCKSTEP_SCAN_RECORDS_NOT_ARRAY;
    error_code error = scan_element(scanner, value, body, plan);
    return error ? status_of(error) : LOCKSTEP_SCAN_OK;
}

// The array of records: a member of the document, or the document itself.
enum lockstep_scan_status find_records(
    ondemand::document &document, const lockstep_scan_plan &plan, ondemand::array &array) {
    ondemand::json_type type;
    if (!plan.records[0]) {
        if (error_code error = document.type().get(type)) return status_of(error);
        bool composite = type == ondemand::json_type::object || type == ondemand::json_type::array;
        if (!composite) return LOCKSTEP_SCAN_NOT_JSON;
        if (type != ondemand::json_type::array) return LOCKSTEP_SCAN_RECORDS_NOT_ARRAY;
        error_code error = document.get_array().get(array);
        return error ? status_of(error) : LOCKSTEP_SCAN_OK;
    }
    ondemand::object root;
    ondemand::value value;
    enum lockstep_scan_status status = find_member(document, plan, root, value);
    if (status != LOCKSTEP_SCAN_OK) return status;
    error_code error = value.type().get(type);
    if (error) return status_of(error);
    if (type != ondemand::json_type::array) return LOCKSTEP_SCAN_RECORDS_NOT_ARRAY;
    error = value.get_array().get(array);
    return error ? status_of(error) : LOCKSTEP_SCAN_OK;
}

enum lockstep_scan_status scan_records(
    lockstep_scanner &scanner, ondemand::document &document, const uint8_t *body,
    const lockstep_scan_plan &plan) {
    if (plan.is_single) return scan_single(scanner, document, body, plan);
    ondemand::array array;
    enum lockstep_scan_status status = find_records(document, plan, array);
    if (status == LOCKSTEP_SCAN_RECORDS_MISSING && plan.may_lack_records) return LOCKSTEP_SCAN_OK;
    if (status != LOCKSTEP_SCAN_OK) return status;
    for (auto item : array) {
        ondemand::value element;
        error_code error = item.get(element);
        if (error) return status_of(error);
        if (scanner.records.size() >= plan.max_records) return LOCKSTEP_SCAN_TOO_MANY_RECORDS;
        if ((error = scan_element(scanner, element, body, plan))) return status_of(error);
    }
    return LOCKSTEP_SCAN_OK;
}

void append(std::vector<uint8_t> &bytes, std::string_view text) {
    bytes.insert(bytes.end(), text.begin(), text.end());
}

// A member's name as it stands in the text, between its quotes.
std::string_view escaped_name(ondemand::field &field) {
    const char *start = field.key().raw();
    const char *end = start;
    while (*end != '"') end += *end == '\\' ? 2 : 1;
    return std::string_view(start, size_t(end - start));
}

// Writes one member of the object of records as a record with its name. A record that has such a member keeps its own.
error_code rebuild_record(std::vector<uint8_t> &out, ondemand::field &field, const char *member) {
    std::string_view name = escaped_name(field);
    ondemand::value value = field.value();
    ondemand::json_type type;
    if (error_code error = value.type().get(type)) return error;
    std::string_view raw;
    if (type != ondemand::json_type::object) {
        if (error_code error = raw_text(value, type, raw)) return error;
        append(out, trimmed(raw));
        return SUCCESS;
    }
    ondemand::object object;
    if (error_code error = value.get_object().get(object)) return error;
    bool has_member = false, is_empty = true;
    for (auto inner : object) {
        std::string_view key;
        if (error_code error = inner.unescaped_key().get(key)) return error;
        is_empty = false;
        has_member = has_member || key == member;
    }
    bool ignored;
    if (error_code error = object.reset().get(ignored)) return error;
    if (error_code error = object.raw_json().get(raw)) return error;
    raw = trimmed(raw);
    if (has_member) {
        append(out, raw);
        return SUCCESS;
    }
    append(out, "{\"");
    append(out, member);
    append(out, "\":\"");
    append(out, name);
    append(out, is_empty ? "\"" : "\",");
    raw.remove_prefix(1);
    append(out, raw);
    return SUCCESS;
}

// Writes the object of records as an array of them.
enum lockstep_scan_status rebuild(
    lockstep_scanner &scanner, ondemand::document &document, size_t length, const lockstep_scan_plan &plan) {
    ondemand::object root;
    ondemand::object records;
    ondemand::json_type type;
    if (!plan.records[0]) {
        if (error_code error = document.type().get(type)) return status_of(error);
        if (type != ondemand::json_type::object) return LOCKSTEP_SCAN_RECORDS_NOT_ARRAY;
        if (error_code error = document.get_object().get(records)) return status_of(error);
    } else {
        ondemand::value value;
        enum lockstep_scan_status status = find_member(document, plan, root, value);
        if (status == LOCKSTEP_SCAN_RECORDS_MISSING && plan.may_lack_records) {
            append(scanner.rebuilt, "[]");
            return LOCKSTEP_SCAN_OK;
        }
        if (status != LOCKSTEP_SCAN_OK) return status;
        if (error_code error = value.type().get(type)) return status_of(error);
        if (type != ondemand::json_type::object) return LOCKSTEP_SCAN_RECORDS_NOT_ARRAY;
        if (error_code error = value.get_object().get(records)) return status_of(error);
    }
    scanner.rebuilt.reserve(length + length / 8);
    scanner.rebuilt.push_back('[');
    uint32_t count = 0;
    for (auto item : records) {
        ondemand::field field;
        if (error_code error = std::move(item).get(field)) return status_of(error);
        // What is refused for its number is not written first.
        if (count >= plan.max_records) return LOCKSTEP_SCAN_TOO_MANY_RECORDS;
        if (count++ > 0) scanner.rebuilt.push_back(',');
        if (error_code error = rebuild_record(scanner.rebuilt, field, plan.key_member)) return status_of(error);
    }
    scanner.rebuilt.push_back(']');
    return LOCKSTEP_SCAN_OK;
}

// One document a line. Sets `has_invalid` and stops at a line that is not UTF-8.
enum lockstep_scan_status scan_lines(
    lockstep_scanner &scanner, const uint8_t *body, size_t length, const lockstep_scan_plan &plan,
    bool &has_invalid) {
    size_t at = 0;
    while (at < length) {
        const void *found = memchr(body + at, '\n', length - at);
        size_t end = found ? size_t(static_cast<const uint8_t *>(found) - body) : length;
        size_t start = at;
        at = end + 1;
        while (start < end && is_space(body[start])) start++;
        while (end > start && is_space(body[end - 1])) end--;
        if (start == end) continue;
        if (scanner.records.size() >= plan.max_records) return LOCKSTEP_SCAN_TOO_MANY_RECORDS;
        ondemand::document document;
        error_code error = scanner.parser.iterate(
            reinterpret_cast<const char *>(body + start), end - start, length + SIMDJSON_PADDING - start).get(document);
        if (error == UTF8_ERROR) {
            has_invalid = true;
            return LOCKSTEP_SCAN_NOT_JSON;
        }
        // Of the last line, without its end, nobody knows how it went on.
        if (error) return found ? status_of(error) : LOCKSTEP_SCAN_TRUNCATED;
        ondemand::value element;
        error = document.get_value().get(element);
        if (error == SCALAR_DOCUMENT_AS_VALUE) return LOCKSTEP_SCAN_NOT_JSON;
        if (!error) error = scan_element(scanner, element, body, plan);
        if (error) return found ? status_of(error) : LOCKSTEP_SCAN_TRUNCATED;
        // A second document on the line would be lost.
        const lockstep_record &record = scanner.records.back();
        if (record.offset + record.length != end) return LOCKSTEP_SCAN_NOT_JSON;
    }
    return LOCKSTEP_SCAN_OK;
}

enum lockstep_scan_status scan_envelope(
    lockstep_scanner &scanner, ondemand::document &document, const lockstep_scan_plan &plan) {
    for (size_t index = 0; index < plan.envelope_count; index++) {
        document.rewind();
        lockstep_scalar scalar{};
        ondemand::object root;
        if (document.get_object().get(root) == SUCCESS) {
            ondemand::value value;
            error_code error = walk(root, plan.envelope[index], value);
            if (!error) error = read_scalar(scanner, value, scalar);
            if (error && !is_soft(error)) return status_of(error);
        }
        scanner.envelope.push_back(scalar);
    }
    return LOCKSTEP_SCAN_OK;
}

// The length of the valid UTF-8 sequence at `at`, or 0 (Unicode 15, table 3-7).
size_t sequence_length(const uint8_t *at, size_t left) {
    uint8_t first = at[0];
    if (first < 0x80) return 1;
    size_t length = first >= 0xC2 && first <= 0xDF ? 2 : first >= 0xE0 && first <= 0xEF ? 3
        : first >= 0xF0 && first <= 0xF4 ? 4 : 0;
    if (length == 0 || left < length) return 0;
    for (size_t index = 1; index < length; index++) {
        if ((at[index] & 0xC0) != 0x80) return 0;
    }
    if ((first == 0xE0 && at[1] < 0xA0) || (first == 0xED && at[1] > 0x9F) || (first == 0xF0 && at[1] < 0x90)
        || (first == 0xF4 && at[1] > 0x8F)) return 0;
    return length;
}

// Copies the body with a question mark for each byte that is not part of valid UTF-8.
void mend(lockstep_scanner &scanner, const uint8_t *body, size_t length) {
    scanner.mended.reserve(length + SIMDJSON_PADDING);
    scanner.mended.assign(body, body + length);
    scanner.mended.resize(length + SIMDJSON_PADDING);
    for (size_t at = 0; at < length;) {
        size_t valid = sequence_length(body + at, length - at);
        if (valid == 0) {
            scanner.mended[at] = '?';
            scanner.is_mended = true;
            valid = 1;
        }
        at += valid;
    }
}

enum lockstep_scan_status scan(
    lockstep_scanner &scanner, const uint8_t *body, size_t length, const lockstep_scan_plan &plan);

// Scans the body with its invalid bytes replaced, and rejects the records that had some.
enum lockstep_scan_status scan_mended(
    lockstep_scanner &scanner, const uint8_t *body, size_t length, const lockstep_scan_plan &plan) {
    mend(scanner, body, length);
    // A rebuilt record could not be told from one with a real question mark.
    if (!scanner.is_mended || plan.key_member) return LOCKSTEP_SCAN_NOT_JSON;
    enum lockstep_scan_status status = scan(scanner, scanner.mended.data(), length, plan);
    for (lockstep_record &record : scanner.records) {
        bool is_whole = !memcmp(body + record.offset, scanner.mended.data() + record.offset, record.length);
        if (!is_whole) record.reject = LOCKSTEP_REJECT_INVALID_UTF8;
    }
    return status;
}

// Scans the array that the object of records was rebuilt into.
enum lockstep_scan_status scan_rebuilt(lockstep_scanner &scanner, const lockstep_scan_plan &plan) {
    static const char *const document_itself[] = {nullptr};
    lockstep_scan_plan inner = plan;
    inner.records = document_itself;
    size_t length = scanner.rebuilt.size();
    scanner.rebuilt.resize(length + SIMDJSON_PADDING);
    ondemand::document document;
    error_code error = scanner.parser.iterate(
        reinterpret_cast<const char *>(scanner.rebuilt.data()), length, length + SIMDJSON_PADDING).get(document);
    enum lockstep_scan_status status =
        error ? status_of(error) : scan_records(scanner, document, scanner.rebuilt.data(), inner);
    scanner.rebuilt.resize(length);
    return status;
}

enum lockstep_scan_status scan(
    lockstep_scanner &scanner, const uint8_t *body, size_t length, const lockstep_scan_plan &plan) {
    scanner.records.clear();
    scanner.scalars.clear();
    scanner.envelope.clear();
    scanner.arena.clear();
    scanner.rebuilt.clear();
    if (plan.is_lines) {
        bool has_invalid = false;
        enum lockstep_scan_status status = scan_lines(scanner, body, length, plan, has_invalid);
        bool is_first = has_invalid && !scanner.is_mended;
        if (is_first) return scan_mended(scanner, body, length, plan);
        scanner.envelope.resize(plan.envelope_count);
        return status;
    }
    ondemand::document document;
    error_code error =
        scanner.parser.iterate(reinterpret_cast<const char *>(body), length, length + SIMDJSON_PADDING).get(document);
    if (error == UTF8_ERROR && !scanner.is_mended) return scan_mended(scanner, body, length, plan);
    if (error) return status_of(error);
    enum lockstep_scan_status status = plan.key_member ? rebuild(scanner, document, length, plan)
                                                       : scan_records(scanner, document, body, plan);
    if (status == LOCKSTEP_SCAN_OK) status = scan_envelope(scanner, document, plan);
    if (status == LOCKSTEP_SCAN_OK && plan.key_member) status = scan_rebuilt(scanner, plan);
    return status;
}

}  // namespace

extern "C" {

lockstep_scanner *lockstep_scanner_new(void) { return new (std::nothrow) lockstep_scanner(); }

void lockstep_scanner_free(lockstep_scanner *scanner) { delete scanner; }

enum lockstep_scan_status lockstep_scan(
    lockstep_scanner *scanner, const uint8_t *body, size_t length, const lockstep_scan_plan *plan) {
    scanner->is_mended = false;
    enum lockstep_scan_status status = scan(*scanner, body, length, *plan);
    // One odd page must not hold memory for ever.
    std::vector<uint8_t>().swap(scanner->mended);
    return status;
}

size_t lockstep_record_count(const lockstep_scanner *scanner) { return scanner->records.size(); }

const lockstep_record *lockstep_records(const lockstep_scanner *scanner) { return scanner->records.data(); }

const lockstep_scalar *lockstep_scalars(const lockstep_scanner *scanner) { return scanner->scalars.data(); }

const lockstep_scalar *lockstep_envelope(const lockstep_scanner *scanner) { return scanner->envelope.data(); }

const uint8_t *lockstep_rebuilt(const lockstep_scanner *scanner, size_t *length) {
    *length = scanner->rebuilt.size();
    return scanner->rebuilt.empty() ? nullptr : scanner->rebuilt.data();
}

const uint8_t *lockstep_arena(const lockstep_scanner *scanner, size_t *length) {
    *length = scanner->arena.size();
    return scanner->arena.data();
}

}
