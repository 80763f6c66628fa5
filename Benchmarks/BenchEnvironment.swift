// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import Logging
import Model
import PostgresClient
import SyncStore

/// The servers of a benchmark, and the sandbox that serves prepared bytes: processes of their own, on the same machine.
struct BenchEnvironment {
    let cluster: DevCluster
    let pool: PostgresPool
    /// `http://127.0.0.1:PORT`
    let provider: String

    static func start() async throws -> BenchEnvironment {
        let directory = "/tmp/lockstep-bench-\(getpid())"
        let programs = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().path
        var configuration = DevCluster.Configuration(directory: directory, programs: programs)
        configuration.sandboxUsers = 1
        configuration.sandboxObjects = 1
        let key = "bench:" + Data((0..<32).map { _ in UInt8.random(in: 0...255) }).base64EncodedString()
        let cluster = try await DevCluster.start(configuration, keys: SecretString(key))
        var database = try PostgresConfiguration(url: cluster.servers.databaseURL)
        database.maxConnections = 16
        let pool = PostgresPool(configuration: database)
        _ = try await Migrator(pool: pool).migrate()
        let stripe = cluster.environment["LOCKSTEP_SERVICE_URLS"]?.split(separator: ",").first ?? ""
        let provider = stripe.dropFirst("stripe=".count).dropLast("/stripe".count)
        return BenchEnvironment(cluster: cluster, pool: pool, provider: String(provider))
    }

    func stop() async {
        await pool.close()
        await cluster.stop()
        let directory = "/tmp/lockstep-bench-\(getpid())"
        for path in [directory, DevCluster.scratch(of: directory)]
        where FileManager.default.fileExists(atPath: path) {
            do {
                try FileManager.default.removeItem(atPath: path)
            } catch {
                print("could not remove \(path): \(error)")
            }
        }
    }

    /// The manifest of the prepared lists.
    static let manifest = """
        lockstep: 1
        service: bench
        base_url: http://127.0.0.1
        streams:
          items:
            path: /bench/${config.total}/${config.size}/${config.variant}/v1/items
            records: /data
            id: /id
            page: { kind: last_id, parameter: starting_after, end: { has_more: /has_more }, size_parameter: limit, size: 1000 }
            absence: full_run
            max_pages: 1000000
          changes:
            path: /bench/empty/v1/items
            records: /data
            id: /id
            page: { kind: last_id, parameter: starting_after, end: { has_more: /has_more }, size_parameter: limit, size: 100 }
            incremental: { kind: time_param, parameter: "created[gte]", cursor: response_date, format: epoch_seconds, compare: inclusive }
        """
}

/// What a process used.
struct Usage {
    let wall: ContinuousClock.Instant
    let cpuSeconds: Double
    /// The highest resident size so far, in bytes.
    let peakBytes: Int

    static func now() -> Usage {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return Usage(
            wall: .now, cpuSeconds: seconds(usage.ru_utime) + seconds(usage.ru_stime),
            peakBytes: Int(usage.ru_maxrss) * 1_024)
    }

    func seconds(since start: Usage) -> Double {
        let duration = start.wall.duration(to: wall)
        return Double(duration.wholeMicroseconds) / 1e6
    }
}

/// Lines of a report: a figure beside its limit.
enum Report {
    static func title(_ text: String) {
        print("\n\(text)")
        fflush(nil)
    }

    static func line(
        _ name: String, _ value: Double, _ unit: String, limit: Double? = nil, target: String = ""
    ) {
        let number = value >= 100 ? String(format: "%.0f", value) : String(format: "%.2f", value)
        var text = "  \(name.padding(toLength: 44, withPad: " ", startingAt: 0)) \(number) \(unit)"
        if let limit { text += String(format: "   (%.2f of the limit, %.0f)", value / limit, limit) }
        if !target.isEmpty { text += "   [\(target)]" }
        print(text)
        fflush(nil)
    }
}
