// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc

/// A pgbouncer of this test process in transaction mode, before a Postgres on a Unix socket. It ends with the process.
public final class PgBouncer: Sendable {
    private let directory: URL
    private let lifeline = Pipe()
    private static let port = 6432

    /// A URL of a database of the server behind it. Whoever comes is `user`.
    public func url(_ database: String) -> String {
        "postgresql:///\(database)?host=\(directory.path)&port=\(Self.port)&user=anybody"
    }

    /// Starts it before the server of that socket, with so many connections for all clients of a database.
    ///
    /// `user` is whom the server sees. Throws when the package `pgbouncer` is not installed, or it does not answer.
    public init(before socket: String, as user: String, connections: Int) throws {
        directory = URL(
            fileURLWithPath: "/tmp/lockstep-pooler-\(getpid())-\(UInt32.random(in: 0...UInt32.max))")
        let program = "/usr/sbin/pgbouncer"
        guard FileManager.default.isExecutableFile(atPath: program) else {
            throw ServerError(message: "\(program) is not installed (Debian package pgbouncer)")
        }
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let server = URL(fileURLWithPath: socket)
        let settings = """
            [databases]
            * = host=\(server.deletingLastPathComponent().path) port=\(server.pathExtension) user=\(user)
            [pgbouncer]
            pool_mode = transaction
            auth_type = any
            unix_socket_dir = \(directory.path)
            listen_port = \(Self.port)
            max_client_conn = 200
            default_pool_size = \(connections)
            """
        let file = directory.appendingPathComponent("pgbouncer.ini")
        try settings.write(to: file, atomically: false, encoding: .utf8)
        // It refuses to run as root.
        let account = getuid() == 0 ? "setpriv --reuid=postgres --regid=postgres --clear-groups" : ""
        // The other end of the pipe closes with this process, however it ends.
        let script = """
            [ -z '\(account)' ] || chown postgres '\(directory.path)'
            cd / && \(account) \(program) -q '\(file.path)' >'\(directory.path)/log' 2>&1 &
            cat
            kill $! && wait
            rm -rf '\(directory.path)'
            """
        let watcher = Process()
        watcher.executableURL = URL(fileURLWithPath: "/bin/sh")
        watcher.arguments = ["-c", "exec setsid sh -c \"$0\" >/dev/null 2>&1", script]
        watcher.standardInput = lifeline
        try watcher.run()
        let answers = directory.appendingPathComponent(".s.PGSQL.\(Self.port)").path
        let limit = ContinuousClock.now.advanced(by: .seconds(30))
        while !FileManager.default.fileExists(atPath: answers) {
            guard ContinuousClock.now < limit else {
                let log = directory.appendingPathComponent("log")
                throw ServerError(
                    message: "pgbouncer does not answer: \(try String(contentsOf: log, encoding: .utf8))")
            }
            usleep(10_000)
        }
    }

    /// Ends it.
    deinit {
        lifeline.fileHandleForWriting.closeFile()
    }
}
