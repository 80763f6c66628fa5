// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Logging
import Model
import PageScanner
import TestSupport
import Testing

@testable import DeclarativeConnectors

/// A source that has one more token to give.
private final class TwoTokens: SecretSource {
    let replacements = LockedBox<[Int64?]>([])
    private let version = LockedBox<Int64>(1)

    var known: Secrets {
        let version = version.withLock { $0 }
        return Secrets(["access_token": SecretString("token-\(version)")], version: version)
    }

    func current() async throws(ConnectorError) -> Secrets { known }

    func replacement(for refused: Secrets) async throws(ConnectorError) -> Secrets {
        replacements.withLock { $0.append(refused.version) }
        version.withLock { $0 += 1 }
        return known
    }
}

@Suite struct `A refused request` {
    private func read(
        _ source: TwoTokens, _ answer: @escaping @Sendable (String) -> ScriptedServer.Step
    ) async throws -> (Result<Page, ConnectorError>, [String]) {
        let server = try ScriptedServer { request in [answer(request.header("Authorization") ?? "")] }
        var client = HTTPClientConfiguration()
        client.addressPolicy = .allowing(hosts: [server.origin])
        let http = HTTPClient(
            configuration: client, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let connector = try ManifestLoader.load(
            """
            lockstep: 1
            service: demo
            base_url: https://api.example.com
            auth: { kind: oauth2_client_credentials, token_url: "https://a/t" }
            errors:
              - { pointer: /error, equals: [token_expired], class: auth }
            streams:
              items: { path: /items, records: /data, id: /id, page: { kind: none } }
            """, file: "demo.yaml")
        let strategy = try connector.strategy(
            for: "items",
            access: ProviderAccess(
                client: DirectClient(http: http), credential: source, configuration: [:],
                baseURL: server.url("")))
        let result: Result<Page, ConnectorError>
        do throws(ConnectorError) {
            result = .success(try await strategy.fullSync(of: .whole, resumingAt: nil).nextPage())
        } catch {
            result = .failure(error)
        }
        return (result, server.log.requests.map { $0.header("Authorization") ?? "" })
    }

    private static let page = ScriptedServer.Step.reply(body: Array(#"{"data":[{"id":"a"}]}"#.utf8))
    private static let refusal = ScriptedServer.Step.reply("401 Unauthorized")

    @Test func `is sent once more with a renewed token`() async throws {
        let source = TwoTokens()

        let (page, tokens) = try await read(source) { $0 == "Bearer token-1" ? Self.refusal : Self.page }

        #expect(tokens == ["Bearer token-1", "Bearer token-2"])
        #expect(try page.get().cost.apiCalls == 2)
        #expect(source.replacements.withLock { $0 } == [1])
    }

    @Test func `that says so with status 200 is too`() async throws {
        let (page, tokens) = try await read(TwoTokens()) {
            $0 == "Bearer token-1"
                ? .reply(body: Array(#"{"ok":false,"error":"token_expired"}"#.utf8)) : Self.page
        }
        #expect(tokens.count == 2)
        #expect(try page.get().scanned.records.count == 1)
    }

    @Test func `a second time is the end, and names what was refused`() async throws {
        let source = TwoTokens()

        let (page, tokens) = try await read(source) { _ in Self.refusal }

        #expect(tokens == ["Bearer token-1", "Bearer token-2"])
        guard case .failure(let error) = page else {
            Issue.record("a page came")
            return
        }
        #expect(error.errorClass == .authRevoked && error.code == "http_401")
        #expect(error.refusedVersion == 2)
    }

    @Test func `for another reason is not sent again`() async throws {
        let (page, tokens) = try await read(TwoTokens()) { _ in .reply("403 Forbidden") }
        #expect(tokens.count == 1)
        guard case .failure(let error) = page else { return }
        #expect(error.errorClass == .permission)
    }
}
