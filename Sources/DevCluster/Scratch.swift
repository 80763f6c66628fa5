// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// The directory of a cluster's sockets in the temporary directory, and of Postgres' data when this process is root.
struct Scratch: Sendable {
    let path: String
    /// Whether this start made it: then nothing in it is of use when the start fails.
    private let isNew: Bool

    /// The socket of Redis.
    var redis: String { "\(path)/redis.sock" }
    /// The socket of Postgres.
    var postgres: String { "\(path)/.s.PGSQL.5432" }

    /// Makes the directory, or takes the one that an earlier start left.
    init(making path: String) throws(DevClusterError) {
        isNew = access(path, F_OK) != 0
        self.path = path
        try PrivateServers.makeDirectory(path)
    }

    /// Removes the sockets that killed servers have left, and the directory when nothing else is in it. The data that root
    /// keeps there stays for the next start, and so do the sockets of another cluster that runs. A directory that cannot be removed
    /// is in nobody's way.
    func tidy() {
        for socket in [redis, postgres] where !PrivateServers.accepts(socket) {
            unlink(socket)
            unlink("\(socket).lock")
        }
        rmdir(path)
    }

    /// Removes what a start made that `error` ended; the error to throw, with what could not be removed.
    func discarding(after error: DevClusterError) async -> DevClusterError {
        guard isNew else {
            tidy()
            return error
        }
        do throws(DevClusterError) {
            let removal = try await ChildProcess.start(
                name: "rm", program: "rm", arguments: ["-rf", "--", path], environment: [:], log: "/dev/null")
            guard await removal.wait() != .code(0) else { return error }
            throw DevClusterError("cannot remove the directory \(path)")
        } catch let further {
            return DevClusterError("\(error.message); and \(further.message)")
        }
    }
}
