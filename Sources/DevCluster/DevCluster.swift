// SPDX-License-Identifier: Apache-2.0

public import Model

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// A whole cluster on this machine: Redis, Postgres, a sandbox provider, a scheduler, workers and a gateway, each a process.
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
    private let gateway = LockedBox<ChildProcess?>(nil)
    private let workers = LockedBox<[ChildProcess]>([])

    /// Where the sockets of a cluster in this directory are while it runs, and when this process is root Postgres' data as well. Who
    /// removes the one removes the other.
    public static func scratch(of directory: String) -> String {
        "/tmp/lockstep-\(getuid())-\(shortName(of: directory))"
    }

    /// Starts the servers and the sandbox, or leaves none of them. `keys` is the value of `LOCKSTEP_KEYS`.
    public static func start(
        _ configuration: Configuration, keys: SecretString
    ) async throws(DevClusterError) -> DevCluster {
        var environment = ["PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"]
        let sockets = scratch(of: configuration.directory)
        let servers = try await PrivateServers.start(
            directory: configuration.directory, sockets: sockets, environment: environment)
        let sandbox: ChildProcess
        let port: Int
        do throws(DevClusterError) {
            (sandbox, port) = try await startSandbox(configuration, environment)
        } catch {
            throw await servers.stop(after: error)
        }
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

    /// Starts the sandbox; with the port where it listens.
    private static func startSandbox(
        _ configuration: Configuration, _ environment: [String: String]
    ) async throws(DevClusterError) -> (sandbox: ChildProcess, port: Int) {
        let log = "\(configuration.directory)/sandbox.log"
        // The port stands in the log; that of an earlier start must not be read.
        unlink(log)
        let sandbox = try await ChildProcess.start(
            name: "sandbox", program: "\(configuration.programs)/lockstep",
            arguments: [
                "sandbox", "--port", "0", "--users", "\(configuration.sandboxUsers)", "--objects",
                "\(configuration.sandboxObjects)", "--seed", "\(configuration.seed)",
            ], environment: environment, log: log)
        do throws(DevClusterError) {
            return (sandbox, try await port(of: sandbox, log: log, after: "sandbox listens on port "))
        } catch {
            await sandbox.stop(within: .seconds(5))
            throw error
        }
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
        try await startScheduler()
        for _ in 0..<configuration.workers { try await startWorker() }
    }

    /// Starts the scheduler; `overrides` replaces variables of the cluster's environment.
    public func startScheduler(_ overrides: [String: String] = [:]) async throws(DevClusterError) {
        let started = try await ChildProcess.start(
            name: "scheduler", program: "\(configuration.programs)/lockstep-scheduler", arguments: [],
            environment: environment.merging(overrides) { $1 }, log: log(of: "scheduler"))
        scheduler.withLock { $0 = started }
    }

    /// Starts the gateway and waits until it listens; `overrides` replaces variables of the cluster's environment. Without
    /// `LOCKSTEP_LISTEN` and `LOCKSTEP_PRIVATE_LISTEN` in it the system chooses both ports.
    @discardableResult
    public func startGateway(
        _ overrides: [String: String] = [:]
    ) async throws(DevClusterError) -> (publicPort: Int, privatePort: Int) {
        let path = log(of: "gateway")
        // The ports stand in the log; those of an earlier start must not be read.
        unlink(path)
        let started = try await ChildProcess.start(
            name: "gateway", program: "\(configuration.programs)/lockstep", arguments: ["gateway"],
            environment: environment.merging(["LOCKSTEP_PRIVATE_LISTEN": "127.0.0.1:0"]) { $1 }
                .merging(overrides) { $1 }, log: path)
        gateway.withLock { $0 = started }
        return (
            try await Self.port(of: started, log: path, after: " listens port="),
            try await Self.port(of: started, log: path, after: " private_port=")
        )
    }

    /// Asks the gateway to end, and returns how it did; nil when there is none.
    @discardableResult
    public func stopGateway() async -> ChildProcess.Exit? {
        let running = gateway.withLock { gateway -> ChildProcess? in
            defer { gateway = nil }
            return gateway
        }
        await running?.stop()
        return await running?.wait()
    }

    /// Starts one more worker and returns its name; `overrides` replaces variables of the cluster's environment.
    @discardableResult
    public func startWorker(_ overrides: [String: String] = [:]) async throws(DevClusterError) -> String {
        let name = "worker-\(workers.withLock { $0.count } + 1)"
        let worker = try await ChildProcess.start(
            name: name, program: "\(configuration.programs)/lockstep-worker", arguments: [],
            environment: environment.merging(overrides) { $1 }, log: log(of: name))
        workers.withLock { $0.append(worker) }
        return name
    }

    /// The log of a worker, the scheduler or a server.
    public func log(of name: String) -> String { "\(configuration.directory)/\(name).log" }

    /// Waits until a worker, the scheduler or the gateway listens, and returns their port.
    public func port(of name: String) async throws(DevClusterError) -> Int {
        let own = workers.withLock { $0 } + single
        guard let process = own.first(where: { $0.name == name }) else {
            throw DevClusterError("there is no process \(name)")
        }
        return try await Self.port(of: process, log: log(of: name), after: " listens port=")
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
        let own = single + workers.withLock { $0 }
        for process in own + [sandbox, servers.redis, servers.postgres] where !process.isRunning {
            let exit = await process.wait()
            if exit != .signal(SIGKILL) { failures.append("\(process.name) ended: \(exit)") }
        }
        return failures
    }

    /// Stops everything, workers first: they drain.
    public func stop() async {
        let running = workers.withLock { $0 } + single
        await withTaskGroup(of: Void.self) { group in
            for process in running { group.addTask { await process.stop() } }
        }
        await sandbox.stop(within: .seconds(5))
        await servers.stop()
    }

    /// The processes of which there is one.
    private var single: [ChildProcess] {
        [scheduler.withLock { $0 }, gateway.withLock { $0 }].compactMap { $0 }
    }

    /// Reads the port that a process says in one of its first lines.
    private static func port(
        of process: ChildProcess, log: String, after words: String
    ) async throws(DevClusterError) -> Int {
        let limit = ContinuousClock.now.advanced(by: .seconds(30))
        while process.isRunning, ContinuousClock.now < limit {
            if let text = readText(log), let line = text.firstRange(of: words),
                let end = text[line.upperBound...].firstIndex(where: \.isWhitespace),
                let port = Int(text[line.upperBound..<end])
            {
                return port
            }
            do { try await ContinuousClock().sleep(for: .milliseconds(20)) } catch {
                throw DevClusterError("cancelled while \(process.name) started")
            }
        }
        throw DevClusterError("\(process.name) does not start; see \(log)")
    }

    static func readText(_ path: String) -> String? {
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
