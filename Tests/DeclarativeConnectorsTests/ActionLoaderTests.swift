// SPDX-License-Identifier: Apache-2.0

import BuiltinConnectors
import ConnectorKit
import PageScanner
import Testing

@testable import DeclarativeConnectors

@Suite struct `An action of a manifest` {
    private static func manifest(_ action: String) -> String {
        """
        lockstep: 1
        service: demo
        base_url: https://api.example.com
        streams:
          items: { path: /items, records: /data, id: /id, page: { kind: none } }
        actions:
          send:
        \(action.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n"))
        """
    }

    private static func problems(_ text: String) -> [String] {
        do throws(ManifestError) {
            _ = try ManifestLoader.load(text, file: "demo.yaml")
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    private static let good = """
        path: /send
        input: { text: { type: text, required: true } }
        body: { text: "${input.text}" }
        repeat: { kind: never }
        """

    @Test func `is loaded with what it takes`() throws {
        #expect(Self.problems(Self.manifest(Self.good)).isEmpty)
        let registry = try ConnectorRegistry.load(builtin: BuiltinManifests.all, directories: [])
        func names(_ service: String) -> [String]? { registry.connector(for: service)?.actions.map(\.name) }
        #expect(names("slack") == ["post_message"])
        #expect(names("stripe") == ["create_subscription", "cancel_subscription"])
        #expect(names("gmail") == ["send_email"])
        #expect(names("google-calendar") == ["list_events"])
        #expect(names("jira") == [])
    }

    @Test(arguments: [
        ("pth: /send", "demo.yaml:8: actions.send.pth: unknown key; did you mean 'path'?"),
        ("path: send", "actions.send.path: has to begin with '/'"),
        (#"path: "/x/${input.id}""#, "actions.send.path: ${input.id} is not among input"),
        (#"path: "/x/${secret.key}""#, "${secret.key} is not allowed here"),
        (#"path: "/x/${cursor}""#, "${cursor} has no value in an action's request"),
        (#"path: "/x/${action.nope}""#, "'${action.nope}' is unknown"),
        (#"body: { raw: "${action.message}" }"#, "actions.send.body: ${action.message} needs 'email'"),
        ("method: FETCH", "'FETCH' is unknown; allowed: GET, POST, PUT, PATCH, DELETE"),
        ("method: GET", "actions.send.body: means nothing for GET; use query"),
        ("encoding: xml", "'xml' is unknown; allowed: json, form"),
        (
            "input: { text: { type: txt } }",
            "actions.send.input.text.type: 'txt' is unknown (did you mean 'text'?)"
        ),
        ("input: { text: { type: text }, more: { type: text } }", "'more' is used nowhere in the action"),
        ("input: { Text: { type: text } }", "'Text' is not allowed; small letters, digits and '_'"),
        ("input: { text: { type: integer, minimum: 5, maximum: 4 } }", "maximum: is less than minimum"),
        (
            "input: { text: { type: integer, default: many } }",
            "input.text.default: is not allowed; a whole number"
        ),
        ("repeat: { kind: perhaps }", "'perhaps' is unknown; allowed: safe, key, lookup, never"),
        ("repeat: { kind: key, lasts: 1d }", "actions.send.repeat.header: is missing"),
        ("repeat: { kind: key, header: K }", "actions.send.repeat.lasts: is missing"),
        ("repeat: { kind: never, header: K }", "header: means nothing for kind 'never'"),
        ("repeat: { kind: lookup, path: /x }", "actions.send.repeat.found: is missing"),
        ("result: { id: id }", "actions.send.result.id"),
        ("errors: [ { status: 402, class: nope } ]", "actions.send.errors[0].class: 'nope' is unknown"),
        ("errors: [ { status: 402, class: rejected, text: x } ]", "actions.send.errors[0].text: unknown key"),
        ("at_least_one: [texts]", "actions.send.at_least_one: 'texts' is not among input"),
        ("email: { too: x }", "actions.send.email.too: unknown key"),
        ("variants: [ { path: /y, repeat: { kind: safe } } ]", "actions.send.variants[0].when: is missing"),
    ])
    func `says what is wrong, where, and what is allowed`(line: String, expected: String) {
        let key = line.prefix { $0 != ":" }
        let rest = Self.good.split(separator: "\n").filter { !$0.hasPrefix("\(key):") }.joined(
            separator: "\n")

        let found = Self.problems(Self.manifest("\(line)\n\(rest)"))

        #expect(found.contains { $0.contains(expected) }, "\(found)")
    }

    @Test func `has to say what to do when nobody knows whether it took effect`() {
        let lines = Self.good.split(separator: "\n").filter { !$0.hasPrefix("repeat") }.joined(
            separator: "\n")
        #expect(
            Self.problems(Self.manifest(lines)).contains { $0.contains("actions.send.repeat: is missing") })
    }

    @Test func `leaves no text without its value`() {
        let text = """
            path: "/x/${input.id}"
            input: { id: { type: text }, list: { type: array } }
            body: { note: "about ${input.list}" }
            repeat: { kind: safe }
            """
        let found = Self.problems(Self.manifest(text))
        #expect(found.contains { $0.contains("path: ${input.id} may be left out") }, "\(found)")
        #expect(
            found.contains { $0.contains("body: ${input.list} is an array, which has no place") }, "\(found)")
    }

    @Test func `may be named by limits, and not be called as a stream is`() {
        let limits = "limits: { a: { per: app, rate: 5/s, burst: 5, actions: [sendd], costs: { send: 2 } } }"
        #expect(
            Self.problems("\(Self.manifest(Self.good))\n\(limits)").contains {
                $0.contains("limits.a.actions: 'sendd' is not an action of this manifest")
            })
        #expect(
            Self.problems(Self.manifest(Self.good).replacing("  send:\n", with: "  items:\n")).contains {
                $0.contains("is the name of a stream too")
            })
    }

    // MARK: - Inputs

    private static func problems(_ service: String, _ action: String, _ input: JSONTree) throws -> [String] {
        let registry = try ConnectorRegistry.load(builtin: BuiltinManifests.all, directories: [])
        return try #require(registry.connector(for: service)).check(input, of: action).map(\.description)
    }

    private static func object(_ members: [(String, JSONTree)]) -> JSONTree {
        .object(members.map { JSONTree.Member(name: $0.0, value: $0.1) })
    }

    private static func text(_ text: String) -> JSONTree { .scalar(.string(text)) }
    private static func number(_ text: String) -> JSONTree { .scalar(.number(text)) }

    @Test func `takes an input that is as it says`() throws {
        #expect(
            try Self.problems(
                "slack", "post_message",
                Self.object([("channel", Self.text("C1")), ("blocks", .array([.object([])]))])) == [])
        #expect(
            try Self.problems(
                "stripe", "create_subscription",
                Self.object([
                    ("customer", Self.text("cus_1")), ("price", Self.text("p")),
                    ("quantity", Self.number("2")),
                    ("metadata", Self.object([("a", Self.text("b"))])),
                ])) == [])
        #expect(
            try Self.problems(
                "google-calendar", "list_events",
                Self.object([
                    ("time_min", Self.text("2026-01-01T00:00:00Z")),
                    ("time_max", Self.text("2026-02-01T00:00:00+01:00")),
                ])) == [])
    }

    @Test(
        arguments: [
            ([], "input.channel: is missing; a text of at most 100 characters"),
            ([("channel", text("C1"))], "input: needs at least one of text, blocks, attachments"),
            (
                [("channel", text("C1")), ("text", text(""))],
                "input.text: is not allowed; a text of at most 40000"
            ),
            ([("channel", text("C1")), ("txt", text("x"))], "input.txt: is unknown; did you mean 'text'?"),
            ([("channel", number("1")), ("text", text("x"))], "input.channel: is not allowed; a text"),
            ([("channel", text("C1")), ("blocks", text("x"))], "input.blocks: is not allowed; an array"),
            ([("channel", text("C1")), ("text", .scalar(.null))], "input.text: is null; leave it out"),
            ([("channel", text("C1")), ("text", text("a\u{0}b"))], "input.text: has the character U+0000"),
            (
                [("channel", text("C1")), ("blocks", .array([object([("a\u{0}", text("x"))])]))],
                "input.blocks: has the character U+0000"
            ),
        ] as [([(String, JSONTree)], String)])
    func `says what is wrong with an input`(members: [(String, JSONTree)], expected: String) throws {
        let found = try Self.problems("slack", "post_message", Self.object(members))
        #expect(found.contains { $0.contains(expected) }, "\(found)")
    }

    @Test(
        arguments: [
            ("quantity", number("0"), "a whole number from 1 to 1000000"),
            ("quantity", number("1.5"), "a whole"),
            ("quantity", text("2"), "a whole number"), ("metadata", .array([]), "an object"),
        ] as [(String, JSONTree, String)])
    func `keeps numbers and objects to what they may be`(
        name: String, value: JSONTree, expected: String
    ) throws {
        let found = try Self.problems(
            "stripe", "create_subscription",
            Self.object([("customer", Self.text("c")), ("price", Self.text("p")), (name, value)]))
        #expect(found.contains { $0.contains("input.\(name): is not allowed; \(expected)") }, "\(found)")
    }

    @Test(arguments: [".", "..", "a\nb", "a\u{85}"])
    func `takes no id that would lead elsewhere`(id: String) throws {
        let found = try Self.problems(
            "stripe", "cancel_subscription", Self.object([("subscription", Self.text(id))]))
        #expect(found.contains { $0.contains("input.subscription") && $0.contains("is no id") }, "\(found)")
    }

    @Test func `checks a mail before it is stored`() throws {
        let found = try Self.problems(
            "gmail", "send_email",
            Self.object([
                ("to", .array([Self.text("a@example.com"), Self.text("nobody")])),
                ("subject", Self.text("s")),
            ]))
        #expect(found.contains { $0.hasPrefix("input.to: 'nobody' is no address") }, "\(found)")
        let hostile = try Self.problems(
            "gmail", "send_email",
            Self.object([
                ("to", Self.text("a@example.com")), ("subject", Self.text("s\r\nBcc: v@example.com")),
            ]))
        #expect(hostile.contains { $0.hasPrefix("input.subject: has a line break") }, "\(hostile)")
        #expect(
            try Self.problems("gmail", "send_email", Self.text("x")) == [
                "input: has to be a JSON object with members: to, cc, bcc, from, reply_to, subject, text, html, "
                    + "in_reply_to, references, thread_id"
            ])
    }
}
