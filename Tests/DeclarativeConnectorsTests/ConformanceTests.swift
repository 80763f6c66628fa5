// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import DeclarativeConnectors

@Suite struct `The conformance suite` {
    private static func findings(
        _ stream: String, _ fixture: String
    ) async throws -> [String: ConformanceSuite.Finding.Outcome] {
        let manifest = """
            lockstep: 1
            service: demo
            base_url: https://api.example.com
            errors: [ { status: 410, class: resync_required } ]
            streams:
              items:
                path: /items
                id: /id
            \(stream)
            """
        let suite = try ConformanceSuite(
            manifest: manifest, file: "demo.yaml", fixture: fixture, fixtureFile: "fixtures/demo.yaml")
        let findings = await suite.run()
        return Dictionary(findings.map { ($0.check, $0.outcome) }, uniquingKeysWith: { first, _ in first })
    }

    private static let fixture = """
        exchanges:
          - { request: GET /items, response: { data: [{ id: a, u: 100 }, { id: b, u: 200 }], next: n1 } }
          - { request: GET /items?after=n1, response: { data: [{ id: c, u: 300 }] } }
          - { request: GET /items?since=300, response: { data: [{ id: d, u: 400 }, { id: c, gone: true }] }, incremental: true }
        streams:
          items: { full: [a, b, c], incremental: [a, b, d] }
        """

    private static let good = """
            records: /data
            tombstone: { pointer: /gone, equals: true }
            page: { kind: token, token: /next, parameter: after, end: missing }
            incremental: { kind: time_param, parameter: since, cursor: /u, format: epoch_seconds, compare: inclusive }
        """

    @Test func `passes a manifest that says what its provider does`() async throws {
        let found = try await Self.findings(Self.good, Self.fixture)
        #expect(found.values.filter { $0 == .broken }.isEmpty, "\(found)")
        #expect(found.count >= 12)
    }

    @Test(arguments: [
        // Without the tombstone what was deleted stays.
        (
            good.replacing("tombstone: { pointer: /gone, equals: true }", with: "max_pages: 9"),
            "incremental sync"
        ),
        // The provider's parameter has another name.
        (good.replacing("parameter: after", with: "parameter: cursor"), "full sync"),
        (good.replacing("parameter: since", with: "parameter: from"), "incremental sync"),
        (good.replacing("cursor: /u,", with: "cursor: /updated,"), "incremental sync"),
        // A page that is not what it should be passes for the end.
        (good.replacing("records: /data", with: "records: /data\n    records_optional: true\n"), "none"),
        (good.replacing("records: /data", with: "records: /items"), "full sync"),
    ])
    func `says what breaks`(stream: String, check: String) async throws {
        let found = try await Self.findings(stream, Self.fixture)
        if check == "none" {
            #expect(found["an empty object for a page"] == .skipped)
        } else {
            #expect(found[check] == .broken, "\(found)")
        }
    }

    @Test func `checks what a provider may lose, and what a reader may`() async throws {
        let ascending = Self.good.replacing(
            "compare: inclusive }", with: "compare: inclusive, order: ascending, sort: documented }")
        let found = try await Self.findings(ascending, Self.fixture)
        for check in [
            "full sync that dies before each page is stored", "a page that is never there (404)",
            "a page that is never there (410)", "a page that leads to itself",
            "one time for all records, and a stop at a page's edge", "an object that is not there any more",
        ] {
            #expect(found[check] == .passed, "\(check): \(found[check].map(\.rawValue) ?? "not checked")")
        }
    }

    /// A list whose links are page numbers: `&page=2`, and so on.
    private static func numbered(_ absence: String) -> (stream: String, fixture: String) {
        (
            """
                records: /data
                page: { kind: link_header, end: no_next_link }
                absence: \(absence)
            """,
            #"""
            exchanges:
              - request: GET /items
                response_headers: { Link: '<http://fixture/items?page=2>; rel="next"' }
                response: { data: [{ id: a }, { id: b }] }
              - request: GET /items?page=2
                response_headers: { Link: '<http://fixture/items?page=3>; rel="next"' }
                response: { data: [{ id: c }, { id: d }] }
              - { request: GET /items?page=3, response: { data: [{ id: e }] } }
            streams:
              items: { full: [a, b, c, d, e] }
            """#
        )
    }

    @Test(arguments: [("full_run", "broken"), ("two_runs", "passed"), ("never", "passed")])
    func `takes no object for deleted that moved between two pages`(absence: String, outcome: String)
        async throws
    {
        let list = Self.numbered(absence)
        let name = "an object that moves to a page that was read"
        #expect(try await Self.findings(list.stream, list.fixture)[name]?.rawValue == outcome)
        // A cursor leads to what follows, wherever it is by then.
        let opaque = list.fixture.replacing("page=2", with: "after=x7").replacing("page=3", with: "after=q4")
        #expect(try await Self.findings(list.stream, opaque)[name]?.rawValue == "skipped")
    }

    private static let search = """
            records: /data
            page: { kind: token, token: /next, parameter: after, end: missing }
            incremental:
              kind: time_param
              method: POST
              path: /search
              body: { since: "${cursor}", above: "0", sort: id }
              records: /found
              page: { kind: last_id, parameter: above, in: body, end: { equals: { value: /total, is: 0 } } }
              sort: sort
              cursor: /u
              format: epoch_seconds
              compare: inclusive
        """

    private static let searchFixture = """
        exchanges:
          - { request: GET /items, response: { data: [{ id: a, u: 100 }, { id: b, u: 200 }], next: n1 } }
          - { request: GET /items?after=n1, response: { data: [{ id: c, u: 300 }] } }
          - request: POST /search
            incremental: true
            with: { since: "300", above: "0", sort: id }
            response: { found: [{ id: a, u: 400 }, { id: c, u: 300 }], total: 3 }
          - request: POST /search
            incremental: true
            with: { since: "300", above: c, sort: id }
            response: { found: [{ id: d, u: 350 }], total: 1 }
          - request: POST /search
            incremental: true
            with: { since: "300", above: d, sort: id }
            response: { found: [], total: 0 }
        streams:
          items: { full: [a, b, c], incremental: [a, b, c, d] }
        """

    @Test func `checks what a provider loses of the changes`() async throws {
        let found = try await Self.findings(Self.search, Self.searchFixture)
        #expect(found.values.filter { $0 == .broken }.isEmpty, "\(found)")
        for check in [
            "incremental sync", "incremental sync that dies before each page is stored",
            "a page of changes that is damaged", "a page of changes that is never there (404)",
        ] {
            #expect(found[check] == .passed, "\(check): \(found[check].map(\.rawValue) ?? "not checked")")
        }
        // The list is said to be over where it goes on.
        let early = Self.search.replacing("is: 0", with: "is: 3")
        #expect(try await Self.findings(early, Self.searchFixture)["incremental sync"] == .broken)
    }

    private static let tables = """
            layout: csv
            page: { kind: link_header, end: no_next_link }
            absence: two_runs
            incremental: { kind: time_param, parameter: since, cursor: /u, format: epoch_seconds, compare: inclusive }
        """

    private static let tableFixture = #"""
        exchanges:
          - request: GET /items
            response_headers: { Link: '<http://fixture/items?page=2>; rel="next"' }
            text: "id,u\nx,1\n\"y,\"\"z\"\"\",2\n"
          - request: GET /items?page=2
            # gzip of a table with the rows w and v, and no header that says so.
            response_headers: { Link: '<http://fixture/items?page=3>; rel="next"' }
            base64: H4sIAAAAAAACA8tM0SnlKtcx5irTMeECAP/kpOYNAAAA
          - { request: GET /items?page=3, text: "id,u\r\n" }
          - { request: GET /items?since=4, text: "id,u\nn,5\n", incremental: true }
        streams:
          items: { full: [x, 'y,"z"', w, v], incremental: [x, 'y,"z"', w, v, n] }
        """#

    @Test func `reads tables and gzip, and changes them as it does JSON`() async throws {
        let found = try await Self.findings(Self.tables, Self.tableFixture)
        #expect(found.values.filter { $0 == .broken }.isEmpty, "\(found)")
        for check in [
            "full sync", "incremental sync", "records in another order", "a response that ends in its middle",
            "markup with status 200", "an empty object for a page", "an object that is not there any more",
        ] {
            #expect(found[check] == .passed, "\(check): \(found[check].map(\.rawValue) ?? "not checked")")
        }
        let wrong = try await Self.findings(
            Self.tables.replacing("layout: csv", with: "layout: csv\n    delimiter: \";\""), Self.tableFixture
        )
        #expect(wrong["full sync"] == .broken)
    }

    @Test func `finds an id that is not unique`() async throws {
        let twice = Self.fixture.replacing("{ id: c, u: 300 }] }", with: "{ id: a, u: 300 }] }")
        #expect(try await Self.findings(Self.good, twice)["ids are unique"] == .broken)
    }

    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("connectors")

    private static let names: [String] = {
        let files = FileManager.default.enumerator(atPath: folder.appendingPathComponent("fixtures").path)
        return (files?.compactMap { $0 as? String } ?? []).filter { $0.hasSuffix(".yaml") }.sorted()
    }()

    @Test func `has a fixture for each of the manifests in connectors`() throws {
        let manifests = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
            .filter { $0.hasSuffix(".yaml") }
        #expect(Set(Self.names) == Set(manifests))
        #expect(Self.names.count >= 12)
    }

    @Test(arguments: names)
    func `passes each manifest that ships with a fixture`(name: String) async throws {
        let manifest = try String(contentsOf: Self.folder.appendingPathComponent(name), encoding: .utf8)
        let fixture = try String(
            contentsOf: Self.folder.appendingPathComponent("fixtures/\(name)"), encoding: .utf8)
        let suite = try ConformanceSuite(manifest: manifest, file: name, fixture: fixture, fixtureFile: name)
        let findings = await suite.run()
        for finding in findings where finding.outcome == .broken {
            Issue.record("\(finding.stream): \(finding.check): \(finding.detail)")
        }
        #expect(findings.contains { $0.outcome == .passed })
    }
}
