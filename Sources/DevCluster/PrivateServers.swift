// SPDX-License-Identifier: Apache-2.0

import Model

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// A Redis and a Postgres of this cluster alone: files below one directory, Unix sockets, no port.
public final class PrivateServers: Sendable {
    /// How to start one of the servers.
    private struct Recipe: Sendable {
        let name: String
        let program: String
        let arguments: [String]
        let environment: [String: String]
        let log: String
        let socket: String
        /// A file in which the server notes its state, `ready` when it answers.
        var state: String?
        var user: String?

        func start(adding more: [String] = []) async throws(DevClusterError) -> ChildProcess {
            let server = try await ChildProcess.start(
                name: name, program: program, arguments: arguments + more, environment: environment, log: log,
                user: user)
            do throws(DevClusterError) {
                try await PrivateServers.wait(for: server, log: log) { PrivateServers.accepts(socket) }
                // Postgres accepts connections before it has recovered, only to refuse them.
                if let state {
                    try await PrivateServers.wait(for: server, log: log) {
                        DevCluster.readText(state)?.contains("\nready") == true
                    }
                }
            } catch {
                await server.stop(SIGINT, within: .seconds(5))
                throw error
            }
            return server
        }
    }

    private let scratch: Scratch
    private let recipes: (redis: Recipe, postgres: Recipe)
    private let running: LockedBox<(redis: ChildProcess, postgres: ChildProcess)>

    /// The Redis, on a Unix socket.
    public var redis: ChildProcess { running.withLock { $0.redis } }
    /// The Postgres, on a Unix socket.
    public var postgres: ChildProcess { running.withLock { $0.postgres } }
    /// The socket of Redis.
    public var redisSocket: String { recipes.redis.socket }
    /// The socket of Postgres.
    public var postgresSocket: String { recipes.postgres.socket }
    /// The value for REDIS_URL.
    public let redisURL: String
    /// The value for DATABASE_URL.
    public let databaseURL: String

    /// Starts both servers and returns when they answer. Data of an earlier start in the same directory is kept.
    ///
    /// `sockets` is a directory with a short path: a socket's path has at most 107 bytes. When this process is root it
    /// also holds Postgres' data, because Postgres' account may not enter root's directories. A start that fails leaves no
    /// server, and of `sockets` nothing that it made.
    public static func start(
        directory: String, sockets: String, environment: [String: String]
    ) async throws(DevClusterError) -> PrivateServers {
        try makeDirectory(directory)
        let scratch = try Scratch(making: sockets)
        do throws(DevClusterError) {
            return try await start(in: scratch, directory: directory, environment: environment)
        } catch {
            throw await scratch.discarding(after: error)
        }
    }

    private static func start(
        in scratch: Scratch, directory: String, environment: [String: String]
    ) async throws(DevClusterError) -> PrivateServers {
        let account = "postgres"
        let sockets = scratch.path
        let data = getuid() == 0 ? "\(sockets)/postgres" : "\(directory)/postgres"
        try makeDirectory("\(directory)/redis")
        let binaries = try postgresBinaries()
        if getuid() == 0 { try allow(account, into: [sockets, data]) }
        if access("\(data)/PG_VERSION", F_OK) != 0 {
            let initialise = try await ChildProcess.start(
                name: "initdb", program: "\(binaries)/initdb",
                arguments: [
                    "-D", data, "-U", account, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C",
                ],
                environment: environment, log: "\(directory)/initdb.log", user: account)
            guard await initialise.wait() == .code(0) else {
                throw DevClusterError("initdb failed; see \(directory)/initdb.log")
            }
        }
        let postgres = Recipe(
            name: "postgres", program: "\(binaries)/postgres",
            arguments: [
                "-D", data, "-k", sockets, "-c", "listen_addresses=", "-c", "max_connections=200",
                "-c", "shared_buffers=128MB", "-c", "max_wal_size=2GB",
            ],
            environment: environment, log: "\(directory)/postgres.log", socket: scratch.postgres,
            state: "\(data)/postmaster.pid", user: account)
        let redis = Recipe(
            name: "redis", program: "redis-server",
            arguments: [
                "--port", "0", "--unixsocket", scratch.redis, "--dir", "\(directory)/redis",
                "--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction",
            ],
            environment: environment, log: "\(directory)/redis.log", socket: scratch.redis)
        let first = try await redis.start()
        let second: ChildProcess
        do throws(DevClusterError) {
            second = try await postgres.start()
        } catch {
            await first.stop(within: .seconds(10))
            throw error
        }
        return PrivateServers(
            scratch, recipes: (redis, postgres), running: (first, second),
            databaseURL: "postgresql:///postgres?host=\(sockets)&user=\(account)")
    }

    private init(
        _ scratch: Scratch, recipes: (redis: Recipe, postgres: Recipe),
        running: (redis: ChildProcess, postgres: ChildProcess),
        databaseURL: String
    ) {
        self.scratch = scratch
        self.recipes = recipes
        self.running = LockedBox(running)
        self.databaseURL = databaseURL
        redisURL = "unix://\(recipes.redis.socket)"
    }

    /// Kills Redis and starts it again, with its data; returns when it listens. `arguments` are further options.
    public func restartRedis(adding arguments: [String] = []) async throws(DevClusterError) {
        await redis.stop(SIGKILL)
        let started = try await recipes.redis.start(adding: arguments)
        running.withLock { $0.redis = started }
    }

    /// Stops Postgres, without waiting for its clients to leave, and starts it again.
    public func restartPostgres() async throws(DevClusterError) {
        await postgres.stop(SIGINT)
        let started = try await recipes.postgres.start()
        running.withLock { $0.postgres = started }
    }

    /// Stops both, Postgres by a fast shutdown, and removes their sockets.
    public func stop() async {
        await redis.stop(within: .seconds(10))
        await postgres.stop(SIGINT, within: .seconds(20))
        scratch.tidy()
    }

    /// Stops both after a start that `error` ended, and removes what it made; the error to throw instead.
    func stop(after error: DevClusterError) async -> DevClusterError {
        await stop()
        return await scratch.discarding(after: error)
    }

    /// Waits until a server is as it should be.
    private static func wait(
        for process: ChildProcess, log: String, until condition: () -> Bool
    ) async throws(DevClusterError) {
        let limit = ContinuousClock.now.advanced(by: .seconds(60))
        while !condition() {
            guard process.isRunning, ContinuousClock.now < limit else {
                throw DevClusterError("\(process.name) does not answer; see \(log)")
            }
            do { try await ContinuousClock().sleep(for: .milliseconds(20)) } catch {
                throw DevClusterError("cancelled while \(process.name) started")
            }
        }
    }

    static func accepts(_ path: String) -> Bool {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard path.utf8.count < capacity else { return false }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }

    static func makeDirectory(_ path: String) throws(DevClusterError) {
        var partial = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            partial += "/\(part)"
            guard mkdir(partial, 0o755) == 0 || errno == EEXIST else {
                throw DevClusterError(
                    "cannot make the directory \(partial): \(String(cString: strerror(errno)))")
            }
        }
    }

    /// Postgres refuses to run as root, so its own account gets the directories.
    private static func allow(_ account: String, into paths: [String]) throws(DevClusterError) {
        guard let entry = getpwnam(account) else {
            throw DevClusterError("there is no account '\(account)' to run Postgres as; root must not")
        }
        for path in paths {
            try makeDirectory(path)
            guard chown(path, entry.pointee.pw_uid, entry.pointee.pw_gid) == 0, chmod(path, 0o700) == 0 else {
                throw DevClusterError(
                    "cannot give \(path) to \(account): \(String(cString: strerror(errno)))")
            }
        }
    }

    /// The directory of the newest installed Postgres.
    private static func postgresBinaries() throws(DevClusterError) -> String {
        let root = "/usr/lib/postgresql"
        for version in stride(from: 30, through: 12, by: -1) {
            let directory = "\(root)/\(version)/bin"
            if access("\(directory)/postgres", X_OK) == 0 { return directory }
        }
        throw DevClusterError("no Postgres server below \(root); run scripts/bootstrap")
    }
}
