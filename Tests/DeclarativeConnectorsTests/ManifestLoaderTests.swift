// SPDX-License-Identifier: Apache-2.0

import BuiltinConnectors
import ConnectorKit
import Testing

@testable import DeclarativeConnectors

@Suite struct `A manifest` {
    private static func manifest(_ stream: String, head: String = "base_url: https://api.example.com")
        -> String
    {
        "lockstep: 1\nservice: demo\n\(head)\nstreams:\n  items:\n\(stream)"
    }

    private static let good = """
            path: /items
            records: /data
            id: /id
            page: { kind: none }
        """

    private static func problems(_ text: String) -> [String] {
        do throws(ManifestError) {
            _ = try ManifestLoader.load(text, file: "demo.yaml")
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    @Test func `that ships loads`() throws {
        let registry = try ConnectorRegistry.load(builtin: BuiltinManifests.all, directories: [])

        #expect(registry.services.count == 16)
        #expect(Set(["gmail", "google-calendar", "slack", "stripe"]).isSubset(of: registry.services))
        #expect(
            registry.connector(for: "stripe")?.streams.map(\.name) == [
                "customers", "products", "prices", "invoices", "subscriptions", "payment_intents", "charges",
            ])
        #expect(registry.connector(for: "google-calendar")?.streams.last?.parent?.stream == "calendars")
    }

    @Test(arguments: [
        ("recrods: /data", "did you mean 'records'?"),
        ("page: { kind: tokn }", "did you mean 'token'?"),
        ("page: { kind: token }", "streams.items.page.token: is missing"),
        (
            "page: { kind: token, token: /t, parameter: p, first: 0 }",
            "first: means nothing for kind 'token', which takes: token, parameter, in, end"
        ),
        ("page: { kind: none, end: absent }", "end: means nothing for kind 'none'"),
        (
            "incremental: { kind: sync_token, token: /t, parameter: s, order: ascending }",
            "order: means nothing for kind 'sync_token'"
        ),
        ("records: data", "it begins with '/'"),
        ("path: /x/${secrets.key}", "'${secrets.key}' is unknown"),
        ("path: /x/${parent.id}", "${parent.id} needs a parent"),
        ("path: items", "has to begin with '/'"),
        ("absence: sometimes", "allowed: never, full_run, two_runs"),
        ("max_pages: 0", "a whole number from 1 to 10000000"),
        ("parent: { stream: later, values: { id: /id } }", "not a stream that stands before this one"),
        ("incremental: { kind: sync_token, parameter: s }", "streams.items.incremental.token: is missing"),
        (
            "version: { pointer: /v, format: iso }",
            "allowed: integer, epoch_seconds, epoch_milliseconds, rfc3339, or a pattern"
        ),
    ])
    func `says what is wrong, where, and what is allowed`(line: String, expected: String) {
        let key = line.prefix { $0 != ":" }
        let rest = Self.good.split(separator: "\n").filter { !$0.contains(" \(key):") }.joined(
            separator: "\n")

        let found = Self.problems(Self.manifest("    \(line)\n" + rest))

        #expect(found.contains { $0.contains(expected) }, "\(found)")
        #expect(found.allSatisfy { $0.hasPrefix("demo.yaml:") })
    }

    @Test(arguments: [
        (#"auth: { kind: bearer, token: "${parent.id}" }"#, "auth: ${parent.id} is not allowed here"),
        (#"headers: { X-Team: "${parent.id}" }"#, "headers: ${parent.id} is not allowed here"),
        ("auth: { kind: bearer, token: t, username: u }", "means nothing for kind 'bearer'"),
        ("base_url: https://${config.host}/api", "base_url: 'https://${config.host}/api' is not allowed"),
        ("base_url: https://${config.name}.com", "base_url: 'https://${config.name}.com' is not allowed"),
        ("base_url: https://a.${config.zone}", "base_url: 'https://a.${config.zone}' is not allowed"),
        ("base_url: https://${secret.key}.example.com", "base_url: ${secret.key} is not allowed here"),
        ("errors: [ { status: 418, class: stale_worker } ]", "'stale_worker' is the engine's own"),
    ])
    func `says what is wrong at the top level`(line: String, expected: String) {
        let found = Self.problems(
            Self.manifest(
                Self.good, head: line.hasPrefix("base_url") ? line : "base_url: https://a.example\n\(line)"))
        #expect(found.contains { $0.contains(expected) }, "\(found)")
    }

    @Test func `with several problems tells all of them with their lines`() {
        let text = Self.manifest(
            "    path: items\n    records: data\n    id: /id\n    page: { kind: none }",
            head: "base_url: ftp://x/\nextra: 1")

        let found = Self.problems(text)

        #expect(found.contains { $0.hasPrefix("demo.yaml:3: base_url:") })
        #expect(found.contains { $0.hasPrefix("demo.yaml:4: extra: unknown key; allowed: ") })
        #expect(found.contains { $0.hasPrefix("demo.yaml:7: streams.items.path:") })
        #expect(found.contains { $0.hasPrefix("demo.yaml:8: streams.items.records:") })
    }

    @Test(arguments: [
        ("{ class: rejected }", "a rule needs a status, a pointer or a header"),
        (
            "{ status: 403, contains: x, class: rejected }",
            "contains: means nothing without a pointer or a header"
        ),
        ("{ pointer: /a, header: X, class: rejected }", "header: is not allowed beside pointer"),
        ("{ header: \"a b\", class: rejected }", "'a b' is not allowed; the name of a header"),
        ("{ header: X, equals: a, contains: b, class: rejected }", "contains: is not allowed beside equals"),
        ("{ header: X, contains: \"\", class: rejected }", "has to be text"),
        ("{ status: 403, class: permission, wait: 60s }", "wait: means nothing for class 'permission'"),
        ("{ status: 403, class: rate_limited, wait: 2h }", "'2h' is not allowed"),
    ])
    func `with a rule that cannot be meant tells so`(rule: String, expected: String) {
        let text = Self.manifest(
            "    path: /items\n    records: /data\n    id: /id\n    page: { kind: none }",
            head: "base_url: https://a.example\nerrors: [\(rule)]")
        #expect(Self.problems(text).contains { $0.contains(expected) }, "\(Self.problems(text))")
    }

    @Test(arguments: ["", "[]", "a: [", "lockstep: 2"])
    func `that is none is refused`(text: String) {
        #expect(!Self.problems(text).isEmpty)
    }
}
