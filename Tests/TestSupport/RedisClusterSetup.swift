// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A Redis Cluster of this test process: three masters, and a replica of the first.
public final class RedisClusterSetup: Sendable {
    /// The masters and then the replica.
    public let nodes: [RedisServer]
    /// Where they listen on 127.0.0.1.
    public let ports: [Int]
    private let ids: [String]

    /// The URL by which clients find the cluster; `seeds` are the nodes it names.
    public func url(seeds: [Int] = [1, 2]) -> String {
        "redis+cluster://" + seeds.map { "127.0.0.1:\(ports[$0])" }.joined(separator: ",")
    }

    /// Starts the nodes, and returns when all of them agree about the slots and the replica follows. Who was silent for
    /// the timeout counts as dead: on a busy machine a short one is only for those who wait for that.
    public static func start(nodeTimeout: Duration = .seconds(5)) async throws -> RedisClusterSetup {
        let setup = try await RedisClusterSetup(nodeTimeout: nodeTimeout)
        for (index, node) in setup.nodes.enumerated() {
            _ = try await node.cli("CLUSTER", "SET-CONFIG-EPOCH", "\(index + 1)")
            if index < 3 {
                let bounds = [0, 5_462, 10_923, 16_384]
                _ = try await node.cli(
                    "CLUSTER", "ADDSLOTSRANGE", "\(bounds[index])", "\(bounds[index + 1] - 1)")
            }
            if index > 0 {
                _ = try await setup.nodes[0].cli(
                    "CLUSTER", "MEET", "127.0.0.1", "\(setup.ports[index])", "\(setup.busPorts[index])")
            }
        }
        for node in setup.nodes {
            try await RedisServer.until("the nodes know each other") {
                let info = try await node.cli("CLUSTER", "INFO")
                return info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:4")
            }
        }
        _ = try await setup.nodes[3].cli("CLUSTER", "REPLICATE", setup.ids[0])
        try await RedisServer.until("the replica follows its master") {
            try await setup.nodes[3].cli("INFO", "replication").contains("master_link_status:up")
        }
        for node in setup.nodes {
            try await RedisServer.until("all nodes know the replica") {
                try await node.cli("CLUSTER", "REPLICAS", setup.ids[0]).contains(setup.ids[3])
            }
        }
        return setup
    }

    private let busPorts: [Int]

    private init(nodeTimeout: Duration) async throws {
        ports = try (0..<4).map { _ in try RedisServer.freePort() }
        busPorts = try (0..<4).map { _ in try RedisServer.freePort() }
        let timeout = nodeTimeout / .milliseconds(1)
        var nodes: [RedisServer] = []
        var ids: [String] = []
        for (port, bus) in zip(ports, busPorts) {
            let node = try await RedisServer(arguments: [
                "--port", "\(port)", "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--cluster-port",
                "\(bus)", "--cluster-node-timeout", "\(Int(timeout))", "--cluster-replica-validity-factor",
                "0",
                "--repl-diskless-sync-delay", "0",
            ])
            nodes.append(node)
            ids.append(try await node.cli("CLUSTER", "MYID"))
        }
        (self.nodes, self.ids) = (nodes, ids)
    }

    /// A prefix in braces, whose slot the first master owns, and that slot.
    public func makePrefix() async throws -> (prefix: String, slot: Int) {
        while true {
            let name = UUID().uuidString.replacingOccurrences(of: "-", with: "").lowercased()
            let prefix = "{t\(name)}"
            guard let slot = Int(try await nodes[0].cli("CLUSTER", "KEYSLOT", prefix)) else { continue }
            if slot < 5_462 { return (prefix, slot) }
        }
    }

    /// From now on the slot moves: the one node asks for keys that it lacks to be looked for on the other.
    public func beginMove(slot: Int, from source: Int, to target: Int) async throws {
        _ = try await nodes[target].cli("CLUSTER", "SETSLOT", "\(slot)", "IMPORTING", ids[source])
        _ = try await nodes[source].cli("CLUSTER", "SETSLOT", "\(slot)", "MIGRATING", ids[target])
    }

    /// Moves one key, or each key of the slot.
    public func moveKeys(slot: Int, from source: Int, to target: Int, only key: String? = nil) async throws {
        var keys = key ?? ""
        if key == nil {
            keys = try await nodes[source].cli("CLUSTER", "GETKEYSINSLOT", "\(slot)", "1000")
        }
        for key in keys.split(separator: "\n") {
            _ = try await nodes[source].cli(
                "MIGRATE", "127.0.0.1", "\(ports[target])", String(key), "0", "5000")
        }
    }

    /// Makes the target the owner, as all masters see it.
    public func endMove(slot: Int, to target: Int) async throws {
        // The target first, as redis-cli does, so that no moment is without an owner.
        for index in [target] + (0..<3).filter({ $0 != target }) {
            _ = try await nodes[index].cli("CLUSTER", "SETSLOT", "\(slot)", "NODE", ids[target])
        }
    }

    /// Moves the slot with its keys, however many are made meanwhile.
    public func move(slot: Int, from source: Int, to target: Int) async throws {
        try await beginMove(slot: slot, from: source, to: target)
        while try await nodes[source].cli("CLUSTER", "COUNTKEYSINSLOT", "\(slot)") != "0" {
            try await moveKeys(slot: slot, from: source, to: target)
        }
        try await endMove(slot: slot, to: target)
    }

    /// How often each master of the beginning refused with this word.
    public func refusals(_ word: String) async throws -> [Int] {
        var counts: [Int] = []
        for node in 0..<3 { counts.append(try await refusals(word, by: node)) }
        return counts
    }

    /// How often a node refused with this word.
    public func refusals(_ word: String, by node: Int) async throws -> Int {
        let statistics = try await nodes[node].cli("INFO", "errorstats")
        let line = statistics.split(whereSeparator: \.isNewline).first {
            $0.hasPrefix("errorstat_\(word):")
        }
        return line?.split(separator: "=").last.flatMap { Int($0) } ?? 0
    }
}
