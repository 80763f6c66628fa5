// SPDX-License-Identifier: Apache-2.0

import Actions
import BuiltinConnectors
import ConnectorKit
import DeclarativeConnectors
import Foundation
import HTTPTransport
import JobQueue
import Logging
import Model
import PageScanner
import PostgresClient
import RedisClient
import Sandbox
import SyncStore
import TestSupport
import Testing

/// A database, a queue, and the connectors that ship; a sandbox where a test asks for one.
struct ActionFixture {
    let pool: PostgresPool
    let store: ActionStore
    let redis: RedisClient
    let queue: JobQueue
    let registry: ConnectorRegistry
    let desk: ActionDesk

    static func run(_ body: (ActionFixture) async throws -> Void) async throws {
        let (url, prefix) = try await RedisServer.makePrefix()
        var redisSettings = try RedisConfiguration(url: url)
        // All tests start at once, and the machine may be busy with other things.
        redisSettings.commandTimeout = .seconds(30)
        let redis = RedisClient(configuration: redisSettings, logger: Logger(label: "redis"))
        let running = Task { try await redis.run() }
        defer { running.cancel() }
        let pool = PostgresPool(
            configuration: try await PostgresConfiguration(url: PostgresServer.makeDatabase()))
        _ = try await Migrator(pool: pool).migrate()
        try await body(try ActionFixture(pool, redis, prefix))
        await pool.close()
    }

    private init(_ pool: PostgresPool, _ redis: RedisClient, _ prefix: String) throws {
        self.pool = pool
        self.redis = redis
        store = ActionStore(pool: pool)
        var configuration = JobQueueConfiguration()
        configuration.prefix = prefix
        queue = JobQueue(redis: redis, configuration: configuration)
        let registry = try ConnectorRegistry.load(builtin: BuiltinManifests.all, directories: [])
        self.registry = registry
        desk = ActionDesk(
            store: store, integrations: IntegrationStore(pool: pool), queue: queue,
            connector: { registry.connector(for: $0) })
    }

    func integration(_ service: String, user: Int = 1) async throws -> Int64 {
        try await IntegrationStore(pool: pool).add(
            IntegrationKey(userID: "u_\(user)", service: service), configuration: Array("{}".utf8)
        ).id
    }

    /// Begins an attempt of an action.
    func begin(_ id: Int64, of integration: Int64, attempt: Int = 1) async throws -> OpenAction {
        let start = try await store.begin(
            id, of: integration, jobID: "action:\(id)", attempt: attempt, worker: "w", enqueuedAt: nil)
        guard case .opened(let action) = start else {
            throw StoreError(.unexpectedReply, "the action did not open: \(start)")
        }
        return action
    }

    func text(_ sql: String) async throws -> String? { try await pool.query(sql).text(0, 0) }
}

/// A sandbox that actions are sent to, without limits.
struct ProviderFixture {
    let port: Int
    let http: HTTPClient
    let registry: ConnectorRegistry

    static func run(_ body: (ProviderFixture) async throws -> Void) async throws {
        var configuration = SandboxConfiguration()
        configuration.users = 1
        configuration.objects = 100
        var logger = Logger(label: "sandbox")
        logger.logLevel = .error
        let (ports, announce) = AsyncStream.makeStream(of: Int.self)
        let server = SandboxServer(configuration: configuration, logger: logger) { announce.yield($0) }
        let serving = Task { try await server.run() }
        defer { serving.cancel() }
        var iterator = ports.makeAsyncIterator()
        let port = try #require(await iterator.next())
        var client = HTTPClientConfiguration()
        client.addressPolicy = .allowing(hosts: ["127.0.0.1:\(port)"])
        try await body(
            ProviderFixture(
                port: port, http: HTTPClient(configuration: client, logger: Logger(label: "http")),
                registry: try ConnectorRegistry.load(builtin: BuiltinManifests.all, directories: [])))
    }

    func performer(
        _ service: String, _ name: String, _ input: JSONTree, key: String = "key1"
    ) throws -> any ActionPerformer {
        let connector = try #require(registry.connector(for: service))
        #expect(connector.check(input, of: name) == [])
        let secret = service == "stripe" ? "sk_test_u_1" : service == "slack" ? "xoxb-u_1" : "ya29.u_1"
        return try connector.performer(
            of: ActionCall(name: name, input: input, key: key),
            access: ProviderAccess(
                client: DirectClient(http: http),
                secrets: [service == "stripe" ? "api_key" : "access_token": SecretString(secret)],
                configuration: [:], baseURL: "http://127.0.0.1:\(port)/\(service)"))
    }

    func perform(
        _ service: String, _ name: String, _ input: JSONTree, key: String = "key1"
    ) async throws -> [String: Any] {
        let reply = try await performer(service, name, input, key: key).perform(isRepeated: false) {}
        return try #require(try JSONSerialization.jsonObject(with: Data(reply.result)) as? [String: Any])
    }

    func failure(
        _ service: String, _ name: String, _ input: JSONTree, key: String = "key1"
    ) async throws -> ActionFailure {
        let performer = try performer(service, name, input, key: key)
        let failure = await #expect(throws: ActionFailure.self) {
            try await performer.perform(isRepeated: false) {}
        }
        return try #require(failure)
    }

    @discardableResult
    func control(_ path: String, method: String = "POST") async throws -> String {
        let response = try await http.send(
            HTTPRequest(method: method, url: "http://127.0.0.1:\(port)/_control/\(path)", headers: []))
        #expect(response.status == 200)
        return String(decoding: response.body, as: UTF8.self)
    }

    /// The effects that writes of an endpoint had, by the sandbox's own ledger; repeated answers do not count.
    func effects(_ service: String, _ endpoint: String) async throws -> [String] {
        try Self.effects(await control("ledger?service=\(service)&endpoint=\(endpoint)", method: "GET"))
    }

    static func effects(_ ledger: String) throws -> [String] {
        try ledger.split(separator: "\n").compactMap { line in
            let entry = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            let write = entry?["write"] as? [String: Any]
            return write?["replay"] as? Bool == false ? write?["effect"] as? String : nil
        }
    }

    /// The ids of the first objects of a stream.
    func ids(_ service: String, _ stream: String) async throws -> [String] {
        try await control("objects?user=u_1&service=\(service)&stream=\(stream)", method: "GET")
            .split(separator: "\n").compactMap { line in
                let entry = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
                return entry?["external_id"] as? String
            }
    }
}

/// An input by its members.
func input(_ members: KeyValuePairs<String, JSONTree>) -> JSONTree {
    .object(members.map { JSONTree.Member(name: $0.key, value: $0.value) })
}

extension JSONTree {
    static func text(_ text: String) -> JSONTree { .scalar(.string(text)) }
}
