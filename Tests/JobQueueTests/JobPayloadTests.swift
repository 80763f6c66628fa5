// SPDX-License-Identifier: Apache-2.0

import Model
import Testing

@testable import JobQueue

@Suite struct `A job payload` {
    private func problem(_ text: String) -> PayloadProblem? { problem(Array(text.utf8)) }

    private func problem(_ bytes: [UInt8]) -> PayloadProblem? {
        if case .failure(let problem) = JobPayload.parse(bytes) { problem } else { nil }
    }

    @Test func `may have every field`() throws {
        let text = """
            {"user_id":"u_42","service":"stripe","account":"eu","type":"backfill","streams":["a","b"],
             "since":"2025-01-01T00:00:00Z","until":"2025-01-02T00:00:00+01:00","id":"A.b_c:d-9",
             "not_before":"2025-01-03T00:00:00.5Z","v":1}
            """
        let payload = try JobPayload.parse(Array(text.utf8)).get()
        #expect(payload.integration == .key(IntegrationKey(userID: "u_42", service: "stripe", account: "eu")))
        #expect(payload.type == .backfill && payload.streams == ["a", "b"] && payload.id == "A.b_c:d-9")
        #expect(payload.since == Timestamp(rfc3339: "2025-01-01T00:00:00Z"))
        #expect(payload.until == Timestamp(rfc3339: "2025-01-01T23:00:00Z"))
        #expect(payload.notBefore == Timestamp(rfc3339: "2025-01-03T00:00:00.5Z"))

        let byID = try JobPayload.parse(
            Array(#"{"integration_id":17,"type":"webhook","ref":9007199254740993}"#.utf8)
        ).get()
        #expect(byID.integration == .id(17) && byID.ref == 9_007_199_254_740_993)
    }

    @Test func `reads back what it writes`() throws {
        let key = IntegrationKey(userID: "u \"\\\u{1F600}\u{7f}", service: "s", account: "ä")
        let payloads = [
            JobPayload(integration: .key(IntegrationKey(userID: "u", service: "s")), type: .full),
            JobPayload(
                integration: .id(5), type: .backfill, streams: ["x"], since: Timestamp(seconds: 1),
                until: Timestamp(milliseconds: 2_500), id: "i", notBefore: Timestamp(seconds: 9)),
            JobPayload(integration: .id(5), type: .action, ref: 3),
        ]
        for payload in payloads {
            #expect(try JobPayload.parse(payload.encoded()).get() == payload)
        }
        let odd = JobPayload(integration: .key(key), type: .full).encoded()
        #expect(problem(odd)?.reason == "\"user_id\" must not contain control characters")
    }

    @Test(arguments: [
        ("", PayloadProblem.Code.empty, "the payload is empty; push a JSON object"),
        (" \n", .empty, "the payload is empty; push a JSON object"),
        ("hello", .notJSON, "the payload is not valid JSON: a value is expected"),
        ("{", .notJSON, "the payload is not valid JSON: a key in double quotes is expected"),
        (#"{"a":1,}"#, .notJSON, "the payload is not valid JSON: a key in double quotes is expected"),
        (#"{'a':1}"#, .notJSON, "the payload is not valid JSON: a key in double quotes is expected"),
        (#"{"a" 1}"#, .notJSON, "the payload is not valid JSON: a : is expected after the key"),
        (#"{"a":1 "b":2}"#, .notJSON, "the payload is not valid JSON: a , or a } is expected"),
        (#"{"a":[1 2]}"#, .notJSON, "the payload is not valid JSON: a , or a ] is expected"),
        (#"{"a":01}"#, .notJSON, "the payload is not valid JSON: a number must not start with 0"),
        (#"{"a":.5}"#, .notJSON, "the payload is not valid JSON: a value is expected"),
        (#"{"a":1.}"#, .notJSON, "the payload is not valid JSON: a digit is expected after the point"),
        (#"{"a":1e}"#, .notJSON, "the payload is not valid JSON: a digit is expected in the exponent"),
        (#"{"a":-}"#, .notJSON, "the payload is not valid JSON: a digit is expected"),
        (#"{"a":NaN}"#, .notJSON, "the payload is not valid JSON: a value is expected"),
        (#"{"a":nul}"#, .notJSON, "the payload is not valid JSON: a value is expected"),
        (#"{"a":"\x"}"#, .notJSON, #"the payload is not valid JSON: \ must be followed by one of "\/bfnrtu"#),
        (#"{"a":"\u12g4"}"#, .notJSON, #"the payload is not valid JSON: \u needs four hex digits"#),
        (
            #"{"a":"\ud800"}"#, .notJSON,
            "the payload is not valid JSON: half of a surrogate pair is not a character"
        ),
        (
            #"{"a":"\udc00\ud800"}"#, .notJSON,
            "the payload is not valid JSON: half of a surrogate pair is not a character"
        ),
        (
            "{\"a\":\"\n\"}", .notJSON,
            "the payload is not valid JSON: a control character in a string must be escaped"
        ),
        (#"{"a":"x"#, .notJSON, "the payload is not valid JSON: it ends inside a string"),
        (#"{"a":1} {}"#, .notJSON, "the payload is not valid JSON: something follows the end of the value"),
        ("{} // comment", .notJSON, "the payload is not valid JSON: something follows the end of the value"),
        ("\u{FEFF}{}", .notJSON, "the payload is not valid JSON: a byte order mark stands before it"),
        ("[]", .notAnObject, "the payload is an array, not a JSON object"),
        ("\"x\"", .notAnObject, "the payload is a string, not a JSON object"),
        ("17", .notAnObject, "the payload is a number, not a JSON object"),
        ("null", .notAnObject, "the payload is null, not a JSON object"),
        (#"{"type":"full","type":"full"}"#, .duplicateKey, "the key \"type\" occurs twice; keep one"),
        (#"{"type":"full","\u0074ype":"full"}"#, .duplicateKey, "the key \"type\" occurs twice; keep one"),
        (#"{"a":{"b":1,"b":2}}"#, .duplicateKey, "the key \"b\" occurs twice; keep one"),
        (#"{"user":"u"}"#, .unknownField, "unknown field \"user\"; did you mean \"user_id\"?"),
        (#"{"userId":"u"}"#, .unknownField, "unknown field \"userId\"; did you mean \"user_id\"?"),
        (#"{"Service":"u"}"#, .unknownField, "unknown field \"Service\"; did you mean \"service\"?"),
        (#"{"steams":["u"]}"#, .unknownField, "unknown field \"steams\"; did you mean \"streams\"?"),
        (#"{"typ":"full"}"#, .unknownField, "unknown field \"typ\"; did you mean \"type\"?"),
        (
            #"{"colour":"u"}"#, .unknownField,
            "unknown field \"colour\"; known are user_id, service, account, integration_id, type, streams, since, until, id, not_before, ref, v"
        ),
        (
            "{}", .missingField,
            "the field \"type\" is missing: one of full, incremental, backfill, webhook, action"
        ),
        (
            #"{"type":"full"}"#, .missingField,
            "the field \"user_id\" is missing: with \"service\", or \"integration_id\" instead"
        ),
        (
            #"{"type":"full","user_id":"u"}"#, .missingField,
            "the field \"service\" is missing: for example \"stripe\""
        ),
        (
            #"{"type":"full","integration_id":1,"user_id":"u"}"#, .badValue,
            "give either \"integration_id\" or \"user_id\" and \"service\", not both"
        ),
        (#"{"integration_id":"17"}"#, .wrongType, "\"integration_id\" must be an integer, not a string"),
        (
            #"{"integration_id":17.0}"#, .wrongType,
            "\"integration_id\" must be an integer without point or exponent, not a number"
        ),
        (#"{"integration_id":0}"#, .badValue, "\"integration_id\" is out of range: 1 to 9007199254740991"),
        (
            #"{"integration_id":9007199254740992}"#, .badValue,
            "\"integration_id\" is out of range: 1 to 9007199254740991"
        ),
        (
            #"{"integration_id":99999999999999999999}"#, .badValue,
            "\"integration_id\" is out of range: 1 to 9007199254740991"
        ),
        (
            #"{"user_id":null}"#, .wrongType,
            "\"user_id\" must be a string, not null; leave it out instead of null"
        ),
        (#"{"user_id":""}"#, .badValue, "\"user_id\" must not be empty"),
        (#"{"user_id":"a\u0000b"}"#, .badValue, "\"user_id\" must not contain control characters"),
        (#"{"user_id":42}"#, .wrongType, "\"user_id\" must be a string, not a number"),
        (#"{"type":"ful"}"#, .badValue, "\"type\" is \"ful\", which is no job type; did you mean \"full\"?"),
        (
            #"{"type":"Full"}"#, .badValue,
            "\"type\" is \"Full\", which is no job type; did you mean \"full\"?"
        ),
        (
            #"{"type":"everything"}"#, .badValue,
            "\"type\" is \"everything\", which is no job type; known are full, incremental, backfill, webhook, action"
        ),
        (#"{"streams":"a"}"#, .wrongType, "\"streams\" must be an array of strings, not a string"),
        (#"{"streams":[]}"#, .badValue, "\"streams\" is empty; leave it out for all streams"),
        (#"{"streams":["a",1]}"#, .wrongType, "\"streams\" must contain strings, not a number"),
        (#"{"streams":["a","a"]}"#, .badValue, "\"streams\" names the stream \"a\" twice"),
        (
            #"{"since":"yesterday"}"#, .badValue,
            "\"since\" must be a date and time with a zone (RFC 3339), as in \"2025-03-01T00:00:00Z\""
        ),
        (
            #"{"since":"2025-01-01T00:00:00"}"#, .badValue,
            "\"since\" must be a date and time with a zone (RFC 3339), as in \"2025-03-01T00:00:00Z\""
        ),
        (
            #"{"until":"2025-02-30T00:00:00Z"}"#, .badValue,
            "\"until\" must be a date and time with a zone (RFC 3339), as in \"2025-03-01T00:00:00Z\""
        ),
        (
            #"{"integration_id":1,"type":"backfill","since":"2025-01-02T00:00:00Z","until":"2025-01-01T00:00:00Z"}"#,
            .badRange, "\"until\" must be later than \"since\""
        ),
        (
            #"{"integration_id":1,"type":"backfill"}"#, .missingField,
            "the field \"since\" is missing: as a backfill reads a time range"
        ),
        (
            #"{"integration_id":1,"type":"webhook"}"#, .missingField,
            "the field \"ref\" is missing: the row id of the webhook"
        ),
        (
            #"{"integration_id":1,"type":"full","ref":1}"#, .badValue,
            "\"ref\" is only for webhook and action jobs; leave it out"
        ),
        (#"{"id":"a b"}"#, .badValue, "\"id\" must be 1 to 64 of the characters A-Z a-z 0-9 . _ : -"),
        (#"{"id":""}"#, .badValue, "\"id\" must be 1 to 64 of the characters A-Z a-z 0-9 . _ : -"),
        (#"{"v":"1"}"#, .wrongType, "\"v\" must be an integer, not a string"),
        (#"{"v":0}"#, .badValue, "\"v\" is out of range: 1 to 9223372036854775807"),
        (
            #"{"v":2,"later":true}"#, .unsupportedVersion,
            "the payload has version 2; this worker knows only 1"
        ),
    ])
    func `that is wrong says what to change`(text: String, code: PayloadProblem.Code, reason: String) {
        let found = problem(text)
        #expect(found?.code == code)
        #expect(found?.reason == reason)
    }

    @Test func `that is wrong says where`() {
        #expect(problem(#"{"type":"full","user":"u"}"#)?.detail == "at byte 16 of the payload")
        #expect(problem(#"{"type":}"#)?.detail == "at byte 9 of the payload")
        #expect(problem("")?.detail == "the payload as a whole")
    }

    @Test func `may have 64 KiB and 32 levels, and no more`() {
        let start = #"{"integration_id":1,"type":"full""#
        let full = start + String(repeating: " ", count: 65_536 - start.utf8.count - 1) + "}"
        #expect(problem(full) == nil)
        #expect(problem(full + " ")?.code == .tooLarge)

        let nested = { (depth: Int) in
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        #expect(problem(nested(32))?.code == .notAnObject)
        #expect(problem(nested(33))?.code == .tooDeep)
        #expect(problem(String(repeating: "[", count: 60_000))?.code == .tooDeep)
        #expect(problem(String(repeating: #"{"a":"#, count: 12_000))?.code == .tooDeep)
    }

    @Test(
        arguments: [
            [0x7B, 0xFF, 0x7D], [0x22, 0xC0, 0xAF, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22],
            [0x22, 0xF4, 0x90, 0x80, 0x80, 0x22],
            [0x22, 0xE2, 0x82], [0x22, 0x80, 0x22], [0x22, 0xE2, 0x28, 0xA1, 0x22],
        ] as [[UInt8]])
    func `that is not UTF-8 is refused at the right byte`(bytes: [UInt8]) {
        let found = problem(bytes)
        #expect(found?.code == .notUTF8)
        #expect(found?.detail == "at byte 2 of the payload")
    }

    @Test func `with thousands of keys is read in reasonable time`() {
        let members = (0..<5_000).map { "\"k\($0)\":1" }.joined(separator: ",")
        #expect(problem("{\"a\":{\(members)}}")?.code == .unknownField)
        #expect(problem("{\"a\":{\(members),\"k7\":2}}")?.code == .duplicateKey)
    }

    @Test func `survives every cut and every changed byte of a valid one`() {
        let valid = Array(
            payload(
                "u_\u{e9}",
                more: #","streams":["a","\u00e9\ud83d\ude00"],"v":1,"since":"2025-01-01T00:00:00Z""#
            ).utf8)
        #expect(problem(valid) == nil)
        for count in 0..<valid.count { #expect(problem(Array(valid.prefix(count))) != nil) }
        for index in valid.indices {
            for byte in UInt8.min...UInt8.max {
                var changed = valid
                changed[index] = byte
                _ = JobPayload.parse(changed)
            }
        }
    }
}
