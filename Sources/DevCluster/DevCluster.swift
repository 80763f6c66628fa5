// SPDX-License-Identifier: Apache-2.0

public import Model

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// A whole cluster on this machine: Redis, Postgres, a sandbox provider, a scheduler and workers, each a process.
public final class DevCluster: Sendable {
    /// What a cluster is made of.
    public struct Configuration: Sendable {
        /// Data and logs.
        public var directory: String
        /// The directory of Lockstep's own programs.
        public var programs: String
        /// How many workers start.
        public var workers = 2
        /// How many users the sandbox has.
        public var sandboxUsers = 20
        /// The sandbox's objects for each user and large stream.
        public var sandboxObjects = 200
        /// What the sandbox's objects are made of: the same seed makes the same objects.
        public var seed: UInt64 = 1
        /// The lease of the workers: how long a dead one's jobs wait.
        public var lease = "30s"
        /// Variables that the processes have besides those that the cluster sets.
        public var extraEnvironment: [String: String] = [:]

        /// `directory` keeps data and logs; `programs` is where the executables are.
        public init(directory: String, programs: String) {
            self.directory = directory
            self.programs = programs
        }
    }

    /// Redis and Postgres.
    public let servers: PrivateServers
    /// The environment that every process of the cluster has.
    public let environment: [String: String]
    private let configuration: Configuration
    private let sandbox: ChildProcess
    private let scheduler = LockedBox<ChildProcess?>(nil)
    private let workers = LockedBox<[ChildProcess]>([])

    /// Where the sockets of a cluster in this directory are, and when this process is root Postgres' data as well. Who
    /// removes the one removes the other.
    public static func scratch(of directory: String) -> String {
        "/tmp/lockstep-\(getuid())-\(shortName(of: directory))"
    }

    /// Starts the servers and the sandbox. `keys` is the value of `LOCKSTEP_KEYS`.
    public static func start(
        _ configuration: Configuration, keys: SecretString
    ) async throws(DevClusterError) -> DevCluster {
        var environment = ["PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"]
        let sockets = scratch(of: configuration.directory)
        let servers = try await PrivateServers.start(
            directory: configuration.directory, sockets: sockets, environment: environment)
        let sandboxLog = "\(configuration.directory)/sandbox.log"
        // The port stands in the log; that of an earlier start must not be read.
        unlink(sandboxLog)
        let sandbox = try await ChildProcess.start(
            name: "sandbox", program: "\(configuration.programs)/lockstep",
            arguments: [
                "sandbox", "--port", "0", "--users", "\(configuration.sandboxUsers)", "--objects",
                "\(configuration.sandboxObjects)", "--seed", "\(configuration.seed)",
            ], environment: environment, log: sandboxLog)
        let port = try await port(of: sandbox, log: sandboxLog)
        environment["REDIS_URL"] = servers.redisURL
        environment["DATABASE_URL"] = servers.databaseURL
        environment["LOCKSTEP_KEYS"] = keys.exposed
        environment["LOCKSTEP_LEASE"] = configuration.lease
        environment["LOCKSTEP_LISTEN"] = "127.0.0.1:0"
        environment["LOCKSTEP_SERVICE_URLS"] = ["stripe", "google-calendar", "slack", "gmail"]
            .map { "\($0)=http://127.0.0.1:\(port)/\($0)" }.joined(separator: ",")
        environment.merge(configuration.extraEnvironment) { _, extra in extra }
        return DevCluster(servers, environment, configuration, sandbox)
    }

    private init(
        _ servers: PrivateServers, _ environment: [String: String], _ configuration: Configuration,
        _ sandbox: ChildProcess
    ) {
        self.servers = servers
        self.environment = environment
        self.configuration = configuration
        self.sandbox = sandbox
    }

    /// Starts the scheduler and the workers; the database has to be migrated.
    public func startWork() async throws(DevClusterError) {
        let started = try await ChildProcess.start(
            name: "scheduler", program: "\(configuration.programs)/lockstep-scheduler", arguments: [],
            environment: environment, log: "\(configuration.directory)/scheduler.log")
        scheduler.withLock { $0 = started }
        for _ in 0..<configuration.workers { try await startWorker() }
    }

    /// Starts one more worker.
    public func startWorker() async throws(DevClusterError) {
        let number = workers.withLock { $0.count } + 1
        let worker = try await ChildProcess.start(
            name: "worker-\(number)", program: "\(configuration.programs)/lockstep-worker", arguments: [],
            environment: environment, log: "\(configuration.directory)/worker-\(number).log")
        workers.withLock { $0.append(worker) }
    }

    /// Kills the oldest worker that runs, as a machine that loses its power would; its name, or nil when none runs.
    public func killWorker() -> String? {
        signalWorker(SIGKILL)
    }

    /// Sends a signal to the oldest worker that runs; its name, or nil when none runs.
    public func signalWorker(_ number: Int32) -> String? {
        guard let worker = workers.withLock({ $0.first { $0.isRunning } }) else { return nil }
        worker.signal(number)
        return worker.name
    }

    /// Sends a signal to a worker by its name; false when there is none.
    public func signal(_ name: String, _ number: Int32) -> Bool {
        guard let worker = workers.withLock({ $0.first { $0.name == name } }) else { return false }
        worker.signal(number)
        return true
    }

    /// The names of the workers that run.
    public var runningWorkers: [String] { workers.withLock { $0.filter(\.isRunning).map(\.name) } }

    /// Kills the worker of a process; false when none of the cluster's own runs there.
    public func kill(_ process: Int32) -> Bool {
        guard let worker = workers.withLock({ $0.first { $0.processID == process && $0.isRunning } }) else {
            return false
        }
        worker.signal(SIGKILL)
        return true
    }

    /// Waits until a worker has ended; nil when there is none of that name.
    public func exit(of name: String) async -> ChildProcess.Exit? {
        await workers.withLock({ $0.first { $0.name == name } })?.wait()
    }

    /// The processes that ended by themselves, with how they ended.
    public func failures() async -> [String] {
        var failures: [String] = []
        let own = [scheduler.withLock { $0 }].compactMap { $0 } + workers.withLock { $0 }
        for process in own + [sandbox, servers.redis, servers.postgres] where !process.isRunning {
            let exit = await process.wait()
            if exit != .signal(SIGKILL) { failures.append("\(process.name) ended: \(exit)") }
        }
        return failures
    }

    /// Stops everything, workers first: they drain.
    public func stop() async {
        let running = workers.withLock { $0 } + [scheduler.withLock { $0 }].compactMap { $0 }
        await withTaskGroup(of: Void.self) { group in
            for process in running { group.addTask { await process.stop() } }
        }
        await sandbox.stop(within: .seconds(5))
        await servers.stop()
    }

    /// Reads the port that the sandbox says in its first line.
    private static func port(of sandbox: ChildProcess, log: String) async throws(DevClusterError) -> Int {
        let limit = ContinuousClock.now.advanced(by: .seconds(30))
        while sandbox.isRunning, ContinuousClock.now < limit {
            if let text = readText(log), let line = text.firstRange(of: "sandbox listens on port "),
                let end = text[line.upperBound...].firstIndex(of: "\n"),
                let port = Int(text[line.upperBound..<end])
            {
                return port
            }
            do { try await ContinuousClock().sleep(for: .milliseconds(20)) } catch {
                throw DevClusterError("cancelled while the sandbox started")
            }
        }
        throw DevClusterError("the sandbox does not start; see \(log)")
    }

    private static func readText(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = read(descriptor, &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }

    /// A short name that is the same for the same directory.
    private static func shortName(of directory: String) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in directory.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        return String(hash, radix: 36)
    }
}
