// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Logging
import Model
import PageScanner
import TestSupport

@testable import DeclarativeConnectors

/// A manifest's stream against a server that answers with given bytes.
struct Provider {
    let server: ScriptedServer
    let manifest: String

    init(_ manifest: String, _ answer: @escaping @Sendable (ScriptedServer.Request) -> [ScriptedServer.Step])
        throws
    {
        server = try ScriptedServer(answer)
        self.manifest = manifest
    }

    func strategy(
        _ stream: String = "items", secrets: [String: String] = ["api_key": "k 1"],
        configuration: [String: String] = [:], answerBytes: Int? = nil
    ) throws -> any SyncStrategy {
        var client = HTTPClientConfiguration()
        client.addressPolicy = .allowing(hosts: [server.origin])
        let http = HTTPClient(
            configuration: client, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        return try ManifestLoader.load(manifest, file: "demo.yaml").strategy(
            for: stream,
            access: ProviderAccess(
                client: BoundedClient(client: DirectClient(http: http), bytes: answerBytes),
                secrets: secrets.mapValues { SecretString($0) },
                configuration: configuration, baseURL: server.url("/api")))
    }

    var targets: [String] { server.log.requests.map(\.target) }
}

/// A client that bounds the answers to requests for anything but pages.
private struct BoundedClient: ProviderClient {
    let client: DirectClient
    let bytes: Int?

    func send(_ request: ProviderRequest) async throws(ConnectorError) -> ProviderResponse {
        var request = request
        if let bytes, !request.isPage { request.http.maxBodyBytes = bytes }
        return try await client.send(request)
    }
}

func manifest(_ stream: String, auth: String = "") -> String {
    """
    lockstep: 1
    service: demo
    base_url: https://api.example.com
    \(auth)
    streams:
      items:
        records: /data
        id: /id
    \(stream)
    """
}

func json(_ text: String, headers: String = "") -> [ScriptedServer.Step] {
    [.reply(headers: headers, body: Array(text.utf8))]
}

/// Reads pages until the list is over: the ids of each page, and the cursors that the pages told.
struct Enumeration {
    var pages: [[String]] = []
    var tombstones: [String] = []
    var cursors: [String] = []
    var apiCalls = 0
    var end: TerminalCondition?

    init(_ reader: any PageReader) async throws {
        while end == nil {
            let page = try await reader.nextPage()
            let scanned = page.scanned
            func id(_ record: ScannedRecord) -> String {
                String(decoding: scanned.identifiers[record.identifierRange], as: UTF8.self)
            }
            pages.append(scanned.records.map(id))
            tombstones += scanned.records.filter(\.isTombstone).map(id)
            if let cursor = page.cursor { cursors.append(cursor.text) }
            apiCalls += page.cost.apiCalls
            if case .end(let condition) = page.continuation { end = condition }
        }
    }
}
