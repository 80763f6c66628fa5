// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Foundation
import HTTPTransport
import Logging
import Model
import Sandbox
import TestSupport
import Testing

@testable import DeclarativeConnectors

@Suite struct `A probe of an unknown API` {
    /// A list of 7 objects, two on a page, at a server that goes on as `answer` says.
    private struct Scene {
        let server: ScriptedServer

        init(_ answer: @escaping @Sendable (_ target: String, _ query: [String: String]) -> (String, String))
            throws
        {
            server = try ScriptedServer { request in
                let query = URLComponents(string: request.target)?.queryItems ?? []
                let (body, headers) = answer(
                    request.target,
                    Dictionary(
                        query.map { ($0.name, $0.value ?? "") }, uniquingKeysWith: { first, _ in first }))
                return [.reply(headers: headers, body: Array(body.utf8))]
            }
        }

        var http: HTTPClient {
            var client = HTTPClientConfiguration()
            client.addressPolicy = .allowing(hosts: [server.origin])
            return HTTPClient(
                configuration: client, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        }

        func probe(_ path: String, headers: [(name: String, value: String)] = []) async throws
            -> ManifestProposal
        {
            try await ConnectorProbe(http: http, headers: headers, service: "demo").run(server.url(path))
        }

        /// What the proposed manifest reads: ids, in order.
        func read(_ proposal: ManifestProposal, secrets: [String: String] = [:]) async throws -> [String] {
            try await Self.read(proposal, http, secrets: secrets)
        }

        static func read(
            _ proposal: ManifestProposal, _ http: HTTPClient, secrets: [String: String] = [:]
        ) async throws -> [String] {
            let connector = try ManifestLoader.load(proposal.text, file: "proposal.yaml")
            let strategy = try connector.strategy(
                for: connector.manifest.streams[0].name,
                access: ProviderAccess(
                    client: DirectClient(http: http), secrets: secrets.mapValues { SecretString($0) },
                    configuration: [:], baseURL: nil))
            return try await Enumeration(strategy.fullSync(of: .whole, resumingAt: nil)).pages.flatMap(\.self)
        }
    }

    private static let all = (1...7).map { "o\($0)" }

    /// Objects from `start` on, at most `size`.
    private static func objects(_ start: Int, _ size: Int = 2) -> String {
        let last = min(7, start + size)
        guard start < last else { return "[]" }
        return "["
            + (start..<last).map {
                #"{"name":"n","id":"o\#($0 + 1)","updated_at":"2026-01-0\#($0 + 1)T00:00:00Z"}"#
            }
            .joined(separator: ",") + "]"
    }

    @Test func `finds links in headers`() async throws {
        let scene = try Scene { _, query in
            let page = Int(query["page"] ?? "1") ?? 1
            let link = page < 4 ? "Link: </v1/things?page=\(page + 1)&per_page=2>; rel=\"next\"\r\n" : ""
            return (Self.objects((page - 1) * 2), link + "X-Request-Id: r\r\n")
        }
        let proposal = try await scene.probe("/v1/things?per_page=2")

        #expect(proposal.text.contains("page: { kind: link_header, end: [no_next_link]"))
        #expect(proposal.text.contains(#"records: """#) && proposal.text.contains("id: /id"))
        #expect(proposal.text.contains("request_id_header: x-request-id"))
        #expect(proposal.text.contains("\n  things:\n") && proposal.text.contains("absence: full_run"))
        #expect(try await scene.read(proposal) == Self.all)
    }

    @Test func `finds the next page's URL, and does not follow it to another host`() async throws {
        let own = LockedBox("")
        let scene = try Scene { _, query in
            let start = Int(query["from"] ?? "0") ?? 0
            let next = start + 2 < 7 ? "\"\(own.withLock { $0 })/list?from=\(start + 2)\"" : "null"
            return (
                "{\"paging\":{\"next\":\(next),\"previous\":\"/x\"},\"things\":\(Self.objects(start))}", ""
            )
        }
        own.withLock { $0 = "http://\(scene.server.origin)" }
        let proposal = try await scene.probe("/list")
        #expect(proposal.text.contains("kind: next_url, url: /paging/next, end: [null]"))
        #expect(try await scene.read(proposal) == Self.all)

        own.withLock { $0 = "http://192.0.2.1" }
        let foreign = try await scene.probe("/list")
        #expect(foreign.text.contains("page: { kind: none }") && foreign.text.contains("absence: never"))
        #expect(foreign.questions.contains { $0.contains("Nothing led to a second page") })
    }

    @Test(arguments: [
        ("next_cursor", "start_cursor", "\"\"", "empty"), ("nextPageToken", "pageToken", nil, "missing"),
        ("after", "after", "null", "null"),
    ])
    func `finds the parameter of a token, and how the last page says that it is the last`(
        member: String, parameter: String, end: String?, word: String
    ) async throws {
        let scene = try Scene { _, query in
            let start = query[parameter].flatMap { Int($0.dropFirst()) } ?? 0
            let token = start + 2 < 7 ? "\"t\(start + 2)\"" : end
            let more = token.map { ",\"meta\":{\"\(member)\":\($0)}" } ?? ""
            return ("{\"results\":\(Self.objects(start)),\"nextSyncToken\":\"s\"\(more)}", "")
        }
        let proposal = try await scene.probe("/api/orders?limit=2&status=open")

        #expect(
            proposal.text.contains(
                "kind: token, token: /meta/\(member), parameter: \(parameter), end: [\(word)]"),
            "\(proposal.text)")
        #expect(proposal.text.contains("size_parameter: limit, size: 2"))
        #expect(proposal.text.contains("query: { status: open }"))
        #expect(try await scene.read(proposal) == Self.all)
    }

    @Test func `finds pages by the last id, with a flag that says whether there is more`() async throws {
        let scene = try Scene { _, query in
            let start = query["starting_after"].flatMap { Int($0.dropFirst()) } ?? 0
            return ("{\"has_more\":\(start + 2 < 7),\"data\":\(Self.objects(start))}", "")
        }
        let proposal = try await scene.probe("/v1/customers")
        #expect(
            proposal.text.contains("kind: last_id, parameter: starting_after, end: [{ has_more: /has_more }]")
        )
        #expect(try await scene.read(proposal) == Self.all)
    }

    @Test(arguments: [
        ("page", "kind: page_number, parameter: page, first: 1"),
        ("offset", "kind: offset, parameter: offset"),
    ])
    func `finds pages that are counted, whose absences prove little`(parameter: String, kind: String)
        async throws
    {
        let scene = try Scene { _, query in
            let number = Int(query[parameter] ?? "") ?? (parameter == "page" ? 1 : 0)
            return ("{\"items\":\(Self.objects(parameter == "page" ? (number - 1) * 2 : number))}", "")
        }
        let proposal = try await scene.probe("/items")
        #expect(
            proposal.text.contains(kind) && proposal.text.contains("absence: two_runs"), "\(proposal.text)")
        #expect(try await scene.read(proposal) == Self.all)
    }

    @Test func `finds the parameter for changes by asking for those of the year 3000`() async throws {
        let scene = try Scene { _, query in
            if let since = query["modified_since"] {
                return ("{\"items\":\(since > "2026-01-06" ? "[]" : Self.objects(5))}", "")
            }
            return ("{\"items\":\(Self.objects(0, 7))}", "")
        }
        let proposal = try await scene.probe("/items")
        #expect(
            proposal.text.contains(
                "incremental: { kind: time_param, parameter: modified_since, cursor: /updated_at, format: rfc3339,"
            ))
        #expect(proposal.text.contains("version: { pointer: /updated_at, format: rfc3339 }"))
    }

    @Test func `reads lines of JSON, and objects that are keyed by id`() async throws {
        let lines = try Scene { _, _ in ("{\"id\":1,\"deleted\":false}\n{\"id\":2,\"deleted\":true}\n", "") }
        let proposal = try await lines.probe("/export.ndjson")
        #expect(
            proposal.text.contains("layout: ndjson")
                && proposal.text.contains("tombstone: { pointer: /deleted"))
        #expect(try await lines.read(proposal) == ["1", "2"])

        let keyed = try Scene { _, _ in (#"{"users":{"u1":{"n":1},"u2":{"n":2}}}"#, "") }
        let other = try await keyed.probe("/users")
        #expect(other.text.contains("keys_as_field: key"))
        #expect(try await keyed.read(other) == ["u1", "u2"])
    }

    @Test func `puts no credential into its proposal`() async throws {
        let scene = try Scene { _, _ in ("[{\"id\":1}]", "") }
        for headers in [
            [(name: "Authorization", value: "Bearer s3cr3t")], [(name: "X-Api-Key", value: "s3cr3t")],
            [(name: "Authorization", value: "Basic czNjcjN0")],
            [(name: "authorization", value: "Token s3cr3t")],
        ] {
            let text = try await scene.probe("/items", headers: headers).text
            #expect(
                text.contains("auth: { kind: ") && !text.contains("s3cr3t") && !text.contains("czNjcjN0"),
                "\(text)")
        }
        let text = try await scene.probe("/items?api_key=s3cr3t&expand=x").text
        #expect(text.contains("kind: query, name: api_key") && !text.contains("s3cr3t"))
        #expect(text.contains("query: { expand: x }"))
    }

    @Test(arguments: [
        ("{\"ok\":false,\"error\":\"not_authed\"}", "no list of objects; it has: error, ok"),
        ("[]", "the list is empty"),
        ("{\"data\":[]}", "the list is empty"), ("<!doctype html>", "is not JSON"),
        ("{}", "it has: no members"),
    ])
    func `says why it proposes nothing`(body: String, reason: String) async throws {
        let scene = try Scene { _, _ in (body, "") }
        let error = await #expect(throws: ProbeError.self) { try await scene.probe("/items") }
        #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
    }

    @Test func `sends no more requests than it says, to lists without an end`() async throws {
        let scene = try Scene { _, query in
            let page = Int(query["cursor"] ?? "0") ?? 0
            return (
                "{\"next\":\"\(page + 1)\",\"data\":[{\"id\":\(page),\"updated\":\(1_700_000_000 + page)}]}",
                ""
            )
        }
        let proposal = try await scene.probe("/endless")
        #expect(scene.server.log.requests.count <= ConnectorProbe.maximumRequests)
        #expect(proposal.text.contains("end: [absent]"))
        #expect(proposal.questions.contains { $0.hasPrefix("How the last page looks") })
    }

    @Test(arguments: [
        ("stripe", "v1/customers?limit=10", "sk_test_u_1", "customers"),
        ("google-calendar", "calendar/v3/users/me/calendarList?maxResults=3", "ya29.u_1", "calendars"),
        ("slack", "api/users.list?limit=7", "xoxb-u_1", "users"),
        ("gmail", "gmail/v1/users/me/messages?maxResults=10&includeSpamTrash=true", "ya29.u_1", "messages"),
    ])
    func `of the sandbox's services proposes a manifest that reads them whole`(
        service: String, path: String, token: String, stream: String
    ) async throws {
        var configuration = SandboxConfiguration()
        configuration.users = 1
        configuration.objects = 40
        var logger = Logger(label: "sandbox")
        logger.logLevel = .error
        let (ports, announce) = AsyncStream.makeStream(of: Int.self)
        let server = SandboxServer(configuration: configuration, logger: logger) { announce.yield($0) }
        let serving = Task { try await server.run() }
        defer { serving.cancel() }
        var iterator = ports.makeAsyncIterator()
        let origin = "127.0.0.1:\(try #require(await iterator.next()))"
        var client = HTTPClientConfiguration()
        client.addressPolicy = .allowing(hosts: [origin])
        let http = HTTPClient(configuration: client, logger: logger)

        let proposal = try await ConnectorProbe(
            http: http, headers: [("Authorization", "Bearer \(token)")], service: service
        ).run("http://\(origin)/\(service)/\(path)")
        let ids = try await Scene.read(proposal, http, secrets: ["access_token": token])

        let listed = try await http.send(
            HTTPRequest(url: "http://\(origin)/_control/objects?user=u_1&service=\(service)&stream=\(stream)")
        )
        let expected = String(decoding: listed.body, as: UTF8.self).split(separator: "\n").compactMap {
            $0.firstMatch(of: /"external_id":"([^"]*)"/).map { String($0.1) }
        }
        // Slack's list also shows those who are deleted.
        #expect(Set(ids).isSuperset(of: expected) && Set(ids).count == ids.count, "\(proposal.text)")
        if service != "slack" { #expect(ids.count == expected.count) }
    }
}
