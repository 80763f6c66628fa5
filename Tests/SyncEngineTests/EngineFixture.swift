// SPDX-License-Identifier: Apache-2.0

import BuiltinConnectors
import ConnectorKit
import Cryptography
import DeclarativeConnectors
import HTTPTransport
import Logging
import Model
import PostgresClient
import Sandbox
import SyncEngine
import SyncStore
import TestSupport
import Testing

/// A sandbox, a migrated database and the connectors that ship: everything of a sync but the queue.
struct EngineFixture {
    let port: Int
    let http: HTTPClient
    let pool: PostgresPool
    let store: SyncStore
    let engine: SyncEngine
    let registry: ConnectorRegistry

    /// Runs `body` with a fixture whose sandbox ends with it. `manifest` replaces the one that ships of the same service.
    static func run(
        users: Int = 1, objects: Int = 250, engine: EngineConfiguration = EngineConfiguration(),
        manifest: String? = nil, _ body: (EngineFixture) async throws -> Void
    ) async throws {
        var configuration = SandboxConfiguration()
        configuration.users = users
        configuration.objects = objects
        var logger = Logger(label: "sandbox")
        logger.logLevel = .error
        let (ports, announce) = AsyncStream.makeStream(of: Int.self)
        let server = SandboxServer(configuration: configuration, logger: logger) { announce.yield($0) }
        let serving = Task { try await server.run() }
        defer { serving.cancel() }
        var iterator = ports.makeAsyncIterator()
        guard let port = await iterator.next() else { return }
        try await body(EngineFixture(port: port, engine: engine, manifest: manifest))
    }

    private init(port: Int, engine configuration: EngineConfiguration, manifest: String?) async throws {
        self.port = port
        var client = HTTPClientConfiguration()
        client.addressPolicy = .allowing(hosts: ["127.0.0.1:\(port)"])
        http = HTTPClient(configuration: client, logger: Logger(label: "http"))
        pool = PostgresPool(
            configuration: try await PostgresConfiguration(url: PostgresServer.makeDatabase()))
        _ = try await Migrator(pool: pool).migrate()
        store = SyncStore(pool: pool)
        engine = SyncEngine(store: store, configuration: configuration)
        registry = try ConnectorRegistry.load(
            builtin: BuiltinManifests.all + (manifest.map { [("test.yaml", $0)] } ?? []), directories: [])
    }

    func access(_ service: String, user: Int, token: String? = nil, pageSize: Int = 50) -> ProviderAccess {
        let name = service == "stripe" ? "api_key" : "access_token"
        let prefix = service == "stripe" ? "sk_test_" : service == "slack" ? "xoxb-" : "ya29."
        let secret = token ?? "\(prefix)u_\(user)"
        return ProviderAccess(
            client: DirectClient(http: http), secrets: [name: SecretString(secret)],
            configuration: ["page_size": "\(pageSize)"], baseURL: "http://127.0.0.1:\(port)/\(service)")
    }

    func integration(_ service: String, user: Int = 1) async throws -> Int64 {
        try await IntegrationStore(pool: pool).add(
            IntegrationKey(userID: "u_\(user)", service: service), configuration: Array("{}".utf8)
        ).id
    }

    /// Runs one job to its end.
    @discardableResult
    func sync(
        _ service: String, user: Int = 1, _ kind: SyncJob.Kind = .full, streams: [String]? = nil,
        token: String? = nil, pageSize: Int = 50, isRecovered: Bool = false,
        enqueuedAt: Timestamp? = nil,
        stop: @escaping @Sendable (Duration) -> StopReason? = { _ in nil },
        progressed: @escaping @Sendable () async -> Void = {}
    ) async throws -> RunVerdict {
        let type: JobType = kind == .full ? .full : kind == .incremental ? .incremental : .webhook
        let start = try await store.begin(
            RunRequest(
                jobID: "j", attempt: 1, worker: "w", type: type, enqueuedAt: enqueuedAt,
                integration: .key(IntegrationKey(userID: "u_\(user)", service: service))))
        guard case .opened(let run) = start, let connector = registry.connector(for: service) else {
            throw PostgresError(.closed, "the run did not open: \(start)")
        }
        return await engine.perform(
            SyncJob(kind: kind, streams: streams, isRecovered: isRecovered), in: run, connector: connector,
            access: access(service, user: user, token: token, pageSize: pageSize), stop: stop,
            progressed: progressed)
    }

    /// Asks the sandbox's control.
    @discardableResult
    func control(_ path: String, method: String = "POST") async throws -> [UInt8] {
        let response = try await http.send(
            HTTPRequest(method: method, url: "http://127.0.0.1:\(port)/_control/\(path)", headers: []))
        #expect(response.status == 200, "\(path): \(String(decoding: response.body, as: UTF8.self))")
        return response.body
    }

    /// Writes a message as Slack's API does.
    func post(channel: String, text: String, thread: String) async throws {
        let response = try await http.send(
            .form(
                url: "http://127.0.0.1:\(port)/slack/api/chat.postMessage",
                fields: [("channel", channel), ("text", text), ("thread_ts", thread)],
                headers: [("Authorization", "Bearer xoxb-u_1")]))
        let answer = String(decoding: response.body, as: UTF8.self)
        #expect(answer.hasPrefix(#"{"ok":true"#), "\(answer)")
    }

    /// How often an endpoint was asked.
    func asked(_ endpoint: String) async throws -> Int64 {
        let lines = String(
            decoding: try await control("ledger?limit=100000", method: "GET"), as: UTF8.self)
        return Int64(lines.split(separator: "\n").count { $0.contains("\"\(endpoint)\"") })
    }

    /// The differences between the sandbox's objects and the live records of a stream: ids and content hashes.
    func differences(_ service: String, _ stream: String, user: Int = 1) async throws -> [String] {
        let lines = String(
            decoding: try await control(
                "objects?user=u_\(user)&service=\(service)&stream=\(stream)", method: "GET"),
            as: UTF8.self)
        var expected: [String: [UInt8]] = [:]
        for line in lines.split(separator: "\n") {
            let marker = "\",\"data\":"
            guard let split = line.firstRange(of: marker) else { continue }
            let id = line[line.index(line.startIndex, offsetBy: 16)..<split.lowerBound]
            expected[String(id)] =
                ContentHasher().hash(Array(line[split.upperBound...].dropLast().utf8)).bytes
        }
        let rows = try await pool.query(
            """
            SELECT r.external_id, r.content_hash FROM lockstep.records r
            JOIN lockstep.integrations i ON i.id = r.integration_id
            WHERE i.user_id = $1 AND i.service = $2 AND r.stream = $3 AND r.deleted_at IS NULL
            """, [.text("u_\(user)"), .text(service), .text(stream)])
        var found: [String] = []
        for row in 0..<rows.count {
            let id = rows.text(row, 0) ?? ""
            guard let hash = expected.removeValue(forKey: id) else {
                found.append("not at the provider: \(id)")
                continue
            }
            if rows.bytes(row, 1) != hash { found.append("other content: \(id)") }
        }
        return found + expected.keys.map { "missing: \($0)" }
    }

    func count(_ sql: String) async throws -> Int64 {
        try await pool.query("SELECT count(*) FROM lockstep.\(sql)").int(0, 0) ?? -1
    }
}
