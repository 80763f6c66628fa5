// SPDX-License-Identifier: Apache-2.0

import Credentials
import Cryptography
import DevCluster
import Foundation
import HTTPTransport
import JobQueue
import Logging
import Model
import PostgresClient
import RedisClient
import Settings
import SyncStore
import Testing
import Vault

/// A cluster of real processes, as an operator starts them.
struct Cluster {
    let processes: DevCluster
    /// Where the data and the logs are.
    let directory: String
    let pool: PostgresPool
    let redis: RedisClient
    let queue: JobQueue
    let settings: ClusterSettings
    let http: HTTPClient

    /// Starts a cluster, without schedules, runs `body`, and stops every process. Without `starting` it has neither scheduler nor workers.
    static func run(
        workers: Int = 2, users: Int = 5, objects: Int = 200, lease: String = "3s",
        starting: Bool = true, extra: [String: String] = [:], _ body: (Cluster) async throws -> Void
    ) async throws {
        let directory = "/tmp/lockstep-e2e-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        var configuration = DevCluster.Configuration(directory: directory, programs: programs)
        configuration.workers = workers
        configuration.sandboxUsers = users
        configuration.sandboxObjects = objects
        configuration.lease = lease
        configuration.extraEnvironment = extra
        let keys = SecretString("test:\(Base64.standard.encode(try SecureRandom.bytes(32)))")
        let processes = try await DevCluster.start(configuration, keys: keys)
        do {
            let settings = try ClusterSettings.load(processes.environment, requiring: [.database, .keys])
            let pool = PostgresPool(
                configuration: try PostgresConfiguration(url: settings.requireDatabaseURL().secret.exposed))
            _ = try await Migrator(pool: pool).migrate()
            if starting {
                // Those that a new ledger has fire at each quarter of an hour, in the middle of what runs then.
                _ = try await pool.query("DELETE FROM lockstep.schedules")
                try await processes.startWork()
            }
            let redis = RedisClient(
                configuration: try RedisConfiguration(url: settings.redisURL.secret.exposed),
                logger: Logger(label: "redis"))
            let running = Task { try await redis.run() }
            defer { running.cancel() }
            var client = HTTPClientConfiguration()
            client.addressPolicy = .allowing(hosts: ServiceAddress.hosts(of: settings.serviceURLs))
            let cluster = Cluster(
                processes: processes, directory: directory, pool: pool, redis: redis,
                queue: JobQueue(redis: redis),
                settings: settings,
                http: HTTPClient(configuration: client, logger: Logger(label: "http")))
            try await body(cluster)
            await pool.close()
        } catch {
            await processes.stop()
            remove(directory)
            throw error
        }
        await processes.stop()
        remove(directory)
    }

    static func remove(_ directory: String) {
        for path in [directory, DevCluster.scratch(of: directory)]
        where FileManager.default.fileExists(atPath: path) {
            do {
                try FileManager.default.removeItem(atPath: path)
            } catch {
                Issue.record("\(path) could not be removed: \(error)")
            }
        }
    }

    private struct NoFakeTime: Error, CustomStringConvertible {
        let description = "libfaketime.so.1 is not installed below /usr/lib (Debian package faketime)"
    }

    static func fakeTimeLibrary() throws -> String {
        for triple in try FileManager.default.contentsOfDirectory(atPath: "/usr/lib") {
            let path = "/usr/lib/\(triple)/faketime/libfaketime.so.1"
            if FileManager.default.fileExists(atPath: path) { return path }
        }
        throw NoFakeTime()
    }

    /// An environment in which a process' clock is ahead by up to two hours. An offset that is negative, or longer than the
    /// machine is up, makes Dispatch wait for hours.
    static func clockAhead(_ environment: [String: String]) throws -> [String: String] {
        let text = try String(contentsOfFile: "/proc/uptime", encoding: .utf8)
        let uptime = text.split(separator: ".").first.flatMap { Int($0) } ?? 0
        var environment = environment
        environment["LD_PRELOAD"] = try fakeTimeLibrary()
        environment["FAKETIME"] = "+\(min(7_200, max(60, uptime - 60)))s"
        environment["DONT_FAKE_MONOTONIC"] = "1"
        return environment
    }

    /// The directory of the programs that this build made.
    static var programs: String {
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path
    }

    /// Connects users u_1 … u_N on a service; the ids.
    @discardableResult
    func connect(_ service: String, users: Int) async throws -> [Int64] {
        var ids: [Int64] = []
        for user in 1...users {
            ids.append(try await connect(IntegrationKey(userID: "u_\(user)", service: service)))
        }
        return ids
    }

    /// Connects one account, with the user's credential.
    @discardableResult
    func connect(_ key: IntegrationKey) async throws -> Int64 {
        let store = IntegrationStore(pool: pool)
        let vault = CredentialVault(keys: try KeyRing(settings.keys))
        let (id, _) = try await store.add(key, configuration: Array("{}".utf8))
        let token = key.service == "slack" ? "xoxb-\(key.userID)" : "ya29.\(key.userID)"
        let secret =
            key.service == "stripe" ? ["api_key": "sk_test_\(key.userID)"] : ["access_token": token]
        try await CredentialWriter(vault: vault, store: CredentialStore(pool: pool)).write(
            secret.mapValues { SecretString($0) }, to: id)
        return id
    }

    /// Pushes a payload as `redis-cli LPUSH` would.
    func push(_ payload: String, queue: String = "default") async throws {
        _ = try await redis.command([
            "LPUSH", RedisArgument("lockstep:queue:\(queue)"), RedisArgument(payload),
        ])
    }

    func control(_ path: String, method: String = "POST") async throws -> [UInt8] {
        let base =
            settings.serviceURLs["stripe"]?.replacingOccurrences(of: "/stripe", with: "/_control") ?? ""
        let response = try await http.send(HTTPRequest(method: method, url: "\(base)/\(path)", headers: []))
        #expect(response.status == 200)
        return response.body
    }

    func count(_ sql: String) async throws -> Int64 {
        try await pool.query("SELECT count(*) FROM lockstep.\(sql)").int(0, 0) ?? -1
    }

    /// Waits until a number of rows is there.
    func until(
        _ sql: String, is expected: Int64, within limit: Duration = .seconds(120),
        _ location: SourceLocation = #_sourceLocation
    ) async throws {
        let deadline = ContinuousClock.now.advanced(by: limit)
        var found: Int64 = -1
        while ContinuousClock.now < deadline {
            found = try await count(sql)
            if found == expected { return }
            try await ContinuousClock().sleep(for: .milliseconds(20))
        }
        Issue.record("\(sql): \(found) rows, expected \(expected)", sourceLocation: location)
    }

    /// Waits until at least a number of rows is there.
    func until(
        _ sql: String, atLeast expected: Int64, within limit: Duration = .seconds(120),
        _ location: SourceLocation = #_sourceLocation
    ) async throws {
        let deadline = ContinuousClock.now.advanced(by: limit)
        var found: Int64 = -1
        while found < expected {
            guard ContinuousClock.now < deadline else {
                Issue.record("\(sql): \(found) rows, at least \(expected) expected", sourceLocation: location)
                return
            }
            found = try await count(sql)
            try await ContinuousClock().sleep(for: .milliseconds(20))
        }
    }

    /// How many objects and records differ, over all connected users of a service.
    func differences(_ service: String, users: Int) async throws -> Int {
        let streams = service == "stripe" ? ["customers", "products", "invoices"] : ["calendars", "events"]
        let store = SyncStore(pool: pool)
        var total = 0
        for user in 1...users {
            let reference = IntegrationReference.key(IntegrationKey(userID: "u_\(user)", service: service))
            guard let found = try await IntegrationStore(pool: pool).find(reference) else { continue }
            for stream in streams {
                let lines = try await control("objects?user=u_\(user)&stream=\(stream)", method: "GET")
                let objects = lines.split(separator: UInt8(ascii: "\n")).compactMap { Self.object(Array($0)) }
                total += try await store.differences(ofIntegration: found.id, stream: stream, from: objects)
                    .count
            }
        }
        return total
    }

    /// Reads `{"external_id":"…","data":…}`.
    private static func object(_ line: [UInt8]) -> (externalID: String, json: [UInt8])? {
        guard let split = line.firstRange(of: Array("\",\"data\":".utf8)) else { return nil }
        return (
            String(decoding: line[16..<split.lowerBound], as: UTF8.self),
            Array(line[split.upperBound...].dropLast())
        )
    }
}
