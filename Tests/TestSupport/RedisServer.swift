// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc

/// A private Redis of this test process, on a Unix socket in a directory of its own. It ends with the
/// process.
public final class RedisServer: Sendable {
    /// The server that the tests of this process share; isolation is by key prefix.
    private static let shared = Task { try await RedisServer() }

    /// The URL of the shared server and a key prefix that nothing else uses.
    public static func makePrefix() async throws -> (url: String, prefix: String) {
        let name = UUID().uuidString.replacingOccurrences(of: "-", with: "").lowercased()
        return (try await shared.value.url, "t\(name)")
    }

    /// Held while a process starts: it must not inherit the pipe that another one is about to get, or neither
    /// would see the end of this process.
    private static let spawning = NSLock()

    private let directory: URL
    private let arguments: [String]
    private let process: Locked<Process?> = Locked(nil)
    /// Kept open until this process ends.
    private let lifelines: Locked<[Pipe]> = Locked([])

    /// Where clients find the server.
    public var url: String { "unix://\(socketPath)" }

    /// The socket itself.
    public var socketPath: String { directory.appendingPathComponent("redis.sock").path }

    /// Where certificates and the like may be put.
    public var path: String { directory.path }

    /// Starts a server without persistence. `arguments` are further options of redis-server; with
    /// `sentinelConfiguration`, the text of its file, it is a sentinel.
    public init(arguments: [String] = [], sentinelConfiguration: String? = nil) async throws {
        // Short: the path of a Unix socket has about 100 bytes.
        directory = URL(
            fileURLWithPath: "/tmp/lockstep-redis-\(getpid())-\(UInt32.random(in: 0...UInt32.max))")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let common = [
            "--port", "0", "--unixsocket", directory.appendingPathComponent("redis.sock").path, "--dir",
            directory.path, "--save", "", "--appendonly", "no", "--daemonize", "no",
        ]
        if let sentinelConfiguration {
            // The file comes first, and the sentinel writes it anew.
            let file = directory.appendingPathComponent("sentinel.conf")
            try Data(sentinelConfiguration.utf8).write(to: file)
            self.arguments = [file.path, "--sentinel"] + common + arguments
        } else {
            self.arguments = common + arguments
        }
        try await start()
    }

    /// Starts the server (again), empty, at the same place, and returns when it listens.
    public func start() async throws {
        try await Self.aside { try self.launch() }
    }

    private func launch() throws {
        let server = Process()
        server.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        server.arguments = ["redis-server"] + arguments
        server.currentDirectoryURL = directory
        let log = directory.appendingPathComponent("server.log")
        try Data().write(to: log)
        let output = try FileHandle(forWritingTo: log)
        server.standardInput = FileHandle.nullDevice
        // Not this process' own output: who waits for the end of that would wait for the server.
        server.standardOutput = output
        server.standardError = output
        try? FileManager.default.removeItem(atPath: socketPath)
        try Self.spawning.withLock { try server.run() }
        process.set(server)
        try watch(server.processIdentifier)

        let limit = ContinuousClock.now.advanced(by: .seconds(60))
        while !FileManager.default.fileExists(atPath: socketPath) {
            guard ContinuousClock.now < limit, server.isRunning else {
                let text = try String(contentsOf: log, encoding: .utf8)
                throw ServerError(message: "redis-server did not start: \(text)")
            }
            usleep(5_000)
        }
    }

    /// Ends the server as SIGKILL does; what it held is gone.
    public func kill() {
        guard let server = process.get(), server.isRunning else { return }
        Glibc.kill(server.processIdentifier, SIGKILL)
        server.waitUntilExit()
    }

    /// Stops the server's process without ending it, as a hung machine would.
    public func freeze() {
        if let server = process.get() { Glibc.kill(server.processIdentifier, SIGSTOP) }
    }

    /// Lets a frozen server go on.
    public func thaw() {
        if let server = process.get() { Glibc.kill(server.processIdentifier, SIGCONT) }
    }

    deinit { kill() }

    /// What redis-cli prints for a command.
    public func cli(_ command: String...) async throws -> String { try await cli(command) }

    /// The same, for a command that was put together.
    public func cli(_ command: [String]) async throws -> String {
        let path = socketPath
        return try await Self.aside { try Self.output(of: ["redis-cli", "-s", path] + command) }
    }

    static func output(of command: [String]) throws -> String {
        // Not a pipe: a server that starts at this moment may inherit its other end, which then never closes.
        let file = FileManager.default.temporaryDirectory.appendingPathComponent(
            "lockstep-cli-\(UUID().uuidString)")
        try Data().write(to: file)
        defer { unlink(file.path) }
        let output = try FileHandle(forWritingTo: file)
        let client = Process()
        client.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        client.arguments = command
        client.standardInput = FileHandle.nullDevice
        client.standardOutput = output
        client.standardError = output
        try spawning.withLock { try client.run() }
        client.waitUntilExit()
        let text = try String(contentsOf: file, encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        // A test that asks a dead server, or wrongly, should not have to guess.
        guard client.terminationStatus == 0, !text.hasPrefix("ERR ") else {
            throw ServerError(message: "\(command.joined(separator: " ")): \(text)")
        }
        return text
    }

    /// Runs what blocks on a thread of its own. There are as few threads for all tests as the machine has cores: while
    /// two of them wait for a server, the deadlines of everybody else would pass.
    static func aside<Result: Sendable>(
        _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Swift.Result { try body() }) }
        }
    }

    /// Asks again until `condition` holds; throws after a minute and a half. Servers that find each other take some
    /// seconds, and a sentinel whose failover found no majority waits for a quarter of a minute before the next.
    public static func until(
        _ what: String, _ condition: () async throws -> Bool
    ) async throws {
        let limit = ContinuousClock.now + .seconds(90)
        while try await !condition() {
            guard ContinuousClock.now < limit else { throw ServerError(message: "never happened: \(what)") }
            // Each question is a process.
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    /// A shell that outlives this process, however it ends, and stops the server after it: the pipe's other
    /// end closes with this process.
    private func watch(_ pid: Int32) throws {
        // The directory goes with the last of several servers; a pid may belong to another process by then.
        let script = """
            cat
            grep -q redis-server /proc/\(pid)/comm && kill -9 \(pid)
            rm -rf '\(directory.path)'
            """
        let watcher = Process()
        watcher.executableURL = URL(fileURLWithPath: "/bin/sh")
        watcher.arguments = ["-c", "exec setsid sh -c \"$0\" >/dev/null 2>&1", script]
        try Self.spawning.withLock {
            let lifeline = Pipe()
            lifelines.set(lifelines.get() + [lifeline])
            watcher.standardInput = lifeline
            try watcher.run()
        }
    }
}

/// A value behind a lock; TestSupport depends on nothing of the package.
private final class Locked<Value>: @unchecked Sendable {
    // @unchecked: `value` is only touched while `lock` is held.
    private let lock = NSLock()
    private var value: Value

    init(_ value: Value) { self.value = value }

    func get() -> Value { lock.withLock { value } }

    func set(_ new: Value) { lock.withLock { value = new } }
}
