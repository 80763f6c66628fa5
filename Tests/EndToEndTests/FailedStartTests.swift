// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import Model
import Testing

/// What a cluster that cannot start leaves in the temporary directory.
@Suite(.serialized) struct `A cluster that does not start` {
    /// Starts a cluster whose programs are nowhere: its servers run, and its sandbox does not.
    private static func fail(in directory: String) async -> DevClusterError? {
        let configuration = DevCluster.Configuration(directory: directory, programs: "/nowhere")
        return await #expect(throws: DevClusterError.self) {
            try await DevCluster.start(configuration, keys: SecretString("unused"))
        }
    }

    /// The servers that run on files of this cluster.
    private static func servers(of directory: String) throws -> [String] {
        let scratch = DevCluster.scratch(of: directory)
        return try FileManager.default.contentsOfDirectory(atPath: "/proc").filter { name in
            guard Int(name) != nil, let bytes = FileManager.default.contents(atPath: "/proc/\(name)/cmdline")
            else { return false }
            let line = String(decoding: bytes, as: UTF8.self)
            return line.contains(directory) || line.contains(scratch)
        }
    }

    @Test func `leaves neither sockets nor servers, and says why`() async throws {
        let directory = "/tmp/lockstep-failed-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        defer { Cluster.remove(directory) }

        let error = await Self.fail(in: directory)

        #expect(error?.message.contains("sandbox does not start") == true)
        #expect(!FileManager.default.fileExists(atPath: DevCluster.scratch(of: directory)))
        #expect(try Self.servers(of: directory).isEmpty)
        #expect(FileManager.default.fileExists(atPath: "\(directory)/sandbox.log"))
    }

    @Test func `leaves neither when it was a server that failed`() async throws {
        let directory = "/tmp/lockstep-failed-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        defer { Cluster.remove(directory) }
        // Where the data of Redis should be is a file: it ends before it listens.
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try "no directory".write(toFile: "\(directory)/redis", atomically: false, encoding: .utf8)

        let error = await Self.fail(in: directory)

        #expect(error?.message.contains("redis does not answer") == true)
        #expect(!FileManager.default.fileExists(atPath: DevCluster.scratch(of: directory)))
        #expect(try Self.servers(of: directory).isEmpty)
    }

    @Test func `keeps what an earlier start left`() async throws {
        let directory = "/tmp/lockstep-failed-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        defer { Cluster.remove(directory) }
        let scratch = DevCluster.scratch(of: directory)
        try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
        try "data".write(toFile: "\(scratch)/kept", atomically: false, encoding: .utf8)

        _ = await Self.fail(in: directory)

        let left = try FileManager.default.contentsOfDirectory(atPath: scratch).filter { $0 != "postgres" }
        #expect(left == ["kept"])
        #expect(try Self.servers(of: directory).isEmpty)
    }
}
