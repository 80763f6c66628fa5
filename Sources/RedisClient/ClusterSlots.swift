// SPDX-License-Identifier: Apache-2.0

/// The reply to CLUSTER SLOTS, as far as one slot is concerned.
struct ClusterSlots: Equatable {
    /// The master of the slot; nil when nobody owns it, or its address is not known to the node that answered.
    var owner: RedisConfiguration.Address?
    /// All other nodes, those of the slot first.
    var peers: [RedisConfiguration.Address] = []

    /// `sender` is the node that answered: a node without a host is on the same one.
    init(_ reply: RedisValue, slot: Int64, sender: RedisConfiguration.Address) {
        var others: [RedisConfiguration.Address] = []
        for range in reply.array ?? [] {
            guard let fields = range.array, fields.count >= 3, let first = fields[0].int,
                let last = fields[1].int
            else { continue }
            let nodes = fields[2...].map { Self.address($0, sender: sender) }
            if first <= slot, slot <= last {
                owner = nodes[0]
                peers += nodes.dropFirst().compactMap(\.self)
            } else {
                others += nodes.compactMap(\.self)
            }
        }
        peers += others
    }

    private static func address(
        _ node: RedisValue, sender: RedisConfiguration.Address
    ) -> RedisConfiguration.Address? {
        guard let fields = node.array, fields.count >= 2, let port = fields[1].int,
            (1...65_535).contains(port)
        else { return nil }
        if let host = fields[0].text, !host.isEmpty {
            return host == "?" ? nil : .host(host, port: Int(port))
        }
        guard case .host(let same, _) = sender else { return nil }
        return .host(same, port: Int(port))
    }
}
