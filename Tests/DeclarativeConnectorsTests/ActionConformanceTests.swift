// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import DeclarativeConnectors

@Suite struct `The conformance suite of actions` {
    /// What was broken: `ACTION CASE: CHECK`, with the detail.
    private static func broken(_ action: String, _ fixture: String = fixture) async throws -> [String: String]
    {
        let manifest = """
            lockstep: 1
            service: demo
            title: Demo
            base_url: https://api.example.com
            auth: { kind: bearer, token: "${secret.api_key}" }
            errors: [ { pointer: /ok, equals: false, class: rejected } ]
            streams:
              items: { path: /items, records: /data, id: /id, page: { kind: none } }
            actions:
              send:
                title: Send something
                path: /things
                input: { name: { type: text, required: true }, count: { type: integer } }
                body: { name: "${input.name}", count: "${input.count}" }
                result: { id: /id }
            \(action)
            """
        let suite = try ConformanceSuite(
            manifest: manifest, file: "demo.yaml", fixture: fixture, fixtureFile: "fixtures/demo.yaml")
        let findings = await suite.run()
        #expect(findings.contains { $0.outcome == .passed } || findings.contains { $0.outcome == .broken })
        return Dictionary(
            findings.filter { $0.outcome == .broken }.map { ("\($0.stream) \($0.check)", $0.detail) },
            uniquingKeysWith: { first, _ in first })
    }

    private static let fixture = """
        secrets: { api_key: k }
        actions:
          - action: send
            name: one
            input: { name: a, count: 2 }
            exchanges:
              - request: POST /things
                headers: { Authorization: Bearer k }
                with: { count: 2, name: a }
                response: { id: t1, name: a }
            look_up:
              request: GET /things?key=${action.key}
              found: { data: [{ id: t1 }] }
              missing: { data: [] }
              result: { id: t1 }
            expect: { status: succeeded, result: { id: t1 } }
          - action: send
            name: refused
            input: { name: b }
            exchanges:
              - { request: POST /things, with: { name: b }, response: { ok: false } }
            expect: { status: failed, message: Demo refused this. Nothing was changed. }
        """

    private static let never = "    repeat: { kind: never }"
    private static let keyed = "    repeat: { kind: key, header: Idempotency-Key, lasts: 24h }"
    private static let lookedUp =
        "    repeat: { kind: lookup, path: /things, query: { key: \"${action.key}\" }, found: /data/0/id, result: { id: /data/0/id } }"

    @Test(arguments: [never, keyed, lookedUp, "    repeat: { kind: safe }"])
    func `passes an action of each kind`(action: String) async throws {
        #expect(try await Self.broken(action) == [:])
    }

    @Test func `compares the key where a fixture names it`() async throws {
        let named = Self.fixture.replacing(
            "Authorization: Bearer k", with: "Authorization: Bearer k, Idempotency-Key: \"${action.key}\"")
        #expect(try await Self.broken(Self.keyed, named) == [:])
        #expect(
            try await Self.broken(Self.never, named)["send one: as it is"]?.contains("has no answer") == true)
    }

    @Test(arguments: [
        (
            "with: { count: 2, name: a }", "with: { count: 3, name: a }", "one: as it is",
            "no answer to POST /things"
        ),
        ("Bearer k }", "Bearer x }", "one: as it is", "no answer"),
        ("POST /things\n", "PUT /things\n", "one: as it is", "no answer"),
        ("result: { id: t1 } }", "result: { id: t2 } }", "one: as it is", #"the result is {"id":"t1"}"#),
        (
            "response: { id: t1, name: a }", "response: { ok: false }", "one: as it is",
            "it failed with 'http_200'"
        ),
        ("input: { name: a, count: 2 }", "input: { nam: a }", "one: input", "did you mean 'name'?"),
        ("response: { ok: false }", "response: { id: t9 }", "refused: as it is", "it succeeded with"),
        ("Demo refused this.", "Demo said no.", "refused: as it is", "the user reads 'Demo refused this."),
        ("name: one", "name: one\n    # twice", "none", ""),
        (
            "with: { name: b }, response: { ok: false } }",
            "with: { name: b }, response: { ok: false } }\n      - { request: POST /more, response: {} }",
            "refused: as it is", "POST /more was not sent"
        ),
        ("missing: { data: [] }", "missing: { data: [{ id: t0 }] }", "lookup", "it was sent 1 times"),
        ("found: { data: [{ id: t1 }] }", "found: { data: [] }", "lookup", "it was sent 2 times"),
        (
            "action: send\n    name: refused", "action: sent\n    name: refused", "sent refused: as it is",
            "no action 'sent'"
        ),
    ])
    func `says what is not as the fixture says`(
        old: String, new: String, check: String, detail: String
    ) async throws {
        let text = Self.fixture.replacing(old, with: new)
        try #require(text != Self.fixture)
        let isLookup = check == "lookup"
        let found = try await Self.broken(isLookup ? Self.lookedUp : Self.never, text)
        if check == "none" {
            #expect(found == [:])
        } else if isLookup {
            #expect(found.count == 3 && found.values.allSatisfy { $0.contains(detail) }, "\(found)")
        } else {
            let name = check.hasPrefix("sent ") ? check : "send \(check)"
            #expect(found[name]?.contains(detail) == true, "\(found)")
        }
    }

    @Test func `wants a look-up where the action has one, and a case of each action`() async throws {
        let lines = Self.fixture.split(separator: "\n", omittingEmptySubsequences: false)
        let start = try #require(lines.firstIndex { $0.contains("look_up:") })
        let bare = (lines[..<start] + lines[(start + 5)...]).joined(separator: "\n")
        let found = try await Self.broken(Self.lookedUp, bare)
        #expect(
            found.count == 3 && found.values.allSatisfy { $0.contains("what a look-up gives") }, "\(found)")

        let other =
            "    repeat: { kind: never }\n  more:\n    path: /m\n    title: More\n    repeat: { kind: never }"
        let missing = try await Self.broken(other)
        #expect(missing["more as it is"]?.contains("no case of this action") == true, "\(missing)")
    }
}
