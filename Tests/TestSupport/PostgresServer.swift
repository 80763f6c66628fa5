// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc

/// A private Postgres of this test process: its own data directory and socket, no TCP port. It ends with the process.
public final class PostgresServer: Sendable {
    /// The one server that the tests of this process share.
    public static let shared = Task { try await RedisServer.aside { try PostgresServer() } }
    /// Databases are made one after the other, and not on the threads that run the tests.
    private static let maker = DispatchQueue(label: "databases")

    /// The socket itself.
    public var socketPath: String { directory.appendingPathComponent(".s.PGSQL.5432").path }

    private let directory: URL
    private let lifeline = Pipe()

    /// A URL of a database that nothing else uses.
    public static func makeDatabase() async throws -> String {
        let server = try await shared.value
        let name = "t_" + UUID().uuidString.replacingOccurrences(of: "-", with: "").lowercased()
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            maker.async {
                continuation.resume(
                    with: Result {
                        try server.command("createdb", ["-h", server.directory.path, "-U", "postgres", name])
                    })
            }
        }
        return "postgresql:///\(name)?host=\(server.directory.path)&user=postgres"
    }

    private init() throws {
        directory = URL(fileURLWithPath: "/tmp/lockstep-pg-\(getpid())-\(UInt32.random(in: 0...UInt32.max))")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try command("chown-if-root", [])
        let data = directory.appendingPathComponent("data").path
        try command("initdb", ["-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8"])
        let options =
            "-k \(directory.path) -c listen_addresses='' -c fsync=off -c max_connections=200"
        try start(data: data, options: options)
        try watch(data: data)
    }

    /// Starts the server as a child that nobody waits for, and returns when it answers. `pg_ctl start` would not do:
    /// its daemon keeps the descriptor open by which Foundation learns of an exit.
    private func start(data: String, options: String) throws {
        let server = Process()
        server.executableURL = URL(fileURLWithPath: "/bin/sh")
        server.arguments = [
            "-c", "exec \(Self.asPostgres) \(try Self.binary("postgres")) -D '\(data)' \(options)",
        ]
        server.currentDirectoryURL = URL(fileURLWithPath: "/")
        let log = directory.appendingPathComponent("server.log")
        try Data().write(to: log)
        let output = try FileHandle(forWritingTo: log)
        // Not this process' own output: who waits for the end of that would wait for the server.
        server.standardOutput = output
        server.standardError = output
        try server.run()

        let limit = ContinuousClock.now.advanced(by: .seconds(90))
        while true {
            do {
                try command("pg_isready", ["-q", "-h", directory.path, "-U", "postgres"])
                return
            } catch {
                guard ContinuousClock.now < limit, server.isRunning else { throw error }
            }
        }
    }

    /// A shell that outlives this process, however it ends, and stops the server after it: the pipe's other end closes
    /// with this process.
    private func watch(data: String) throws {
        let script = """
            cat
            \(Self.asPostgres) \(try Self.binary("pg_ctl")) -D '\(data)' -m immediate stop
            rm -rf '\(directory.path)'
            """
        let watcher = Process()
        watcher.executableURL = URL(fileURLWithPath: "/bin/sh")
        watcher.arguments = ["-c", "exec setsid sh -c \"$0\" >/dev/null 2>&1", script]
        watcher.standardInput = lifeline
        try watcher.run()
    }

    /// Postgres refuses to run as root.
    private static var asPostgres: String {
        getuid() == 0 ? "setpriv --reuid=postgres --regid=postgres --clear-groups" : ""
    }

    private static func binary(_ name: String) throws -> String {
        let root = "/usr/lib/postgresql"
        let versions = try FileManager.default.contentsOfDirectory(atPath: root).sorted {
            (Int($0) ?? 0) > (Int($1) ?? 0)
        }
        for version in versions {
            let path = "\(root)/\(version)/bin/\(name)"
            if FileManager.default.isExecutableFile(atPath: path) { return path }
        }
        throw ServerError(message: "\(name) is not installed below \(root)")
    }

    private func command(_ name: String, _ arguments: [String]) throws {
        let process = Process()
        if name == "chown-if-root" {
            guard getuid() == 0 else { return }
            process.executableURL = URL(fileURLWithPath: "/bin/chown")
            process.arguments = ["postgres", directory.path]
        } else {
            let prefix = Self.asPostgres.split(separator: " ").map(String.init)
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = prefix + [try Self.binary(name)] + arguments
        }
        process.currentDirectoryURL = URL(fileURLWithPath: "/")
        // A file, not a pipe: the server that pg_ctl starts would keep a pipe open.
        process.standardOutput = FileHandle.nullDevice
        let log = directory.appendingPathComponent("\(name).err")
        try Data().write(to: log)
        process.standardError = try FileHandle(forWritingTo: log)
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            let text = try String(contentsOf: log, encoding: .utf8)
            throw ServerError(message: "\(name) exited with \(process.terminationStatus): \(text)")
        }
    }
}

/// A test server that did not start.
public struct ServerError: Error, CustomStringConvertible {
    let message: String

    /// The message.
    public var description: String { message }
}
