// SPDX-License-Identifier: Apache-2.0

import Model

/// Finds the server that takes our commands, by asking sentinels or nodes of a cluster, and knows which one it
/// is for all connections of a client.
final class MasterFinder: Sendable {
    /// The limit of one attempt to connect when there are others to try: a machine that is gone does not
    /// answer at all, and must not hold up the way to its successor.
    private static let attemptTimeout: Duration = .seconds(2)

    private let configuration: RedisConfiguration
    private let search: LockedBox<MasterSearch>
    /// Whether commands are sent again after redirects. Without other servers there is nowhere to go.
    let hasFailover: Bool
    /// What connections have to check.
    let role: RedisLink.Role

    init(configuration: RedisConfiguration) {
        self.configuration = configuration
        search = LockedBox(MasterSearch(configuration.topology))
        hasFailover = configuration.hasFailover
        role = configuration.hasFailover ? .master : .any
    }

    /// For connections to the servers that take commands.
    static func dataConfiguration(_ configuration: RedisConfiguration) -> RedisConfiguration {
        var configuration = configuration
        guard configuration.hasFailover else { return configuration }
        configuration.connectTimeout = min(configuration.connectTimeout, attemptTimeout)
        return configuration
    }

    /// The server of the shared connection, to which blocking connections go too; nil while there is none.
    var serving: RedisConfiguration.Address? { search.withLock { $0.serving } }

    /// The number of the connection, for `redirected` and `doubted`.
    var term: UInt64 { search.withLock { $0.term } }

    /// Where to connect to.
    func locate() async throws(RedisError) -> RedisConfiguration.Address {
        switch search.withLock({ $0.nextStep }) {
        case .connect(let address): return address
        case .ask(let witnesses):
            var trouble = RedisError(.connectFailed, "there is nobody to ask")
            for witness in witnesses where !Task.isCancelled {
                do throws(RedisError) {
                    let (address, peers) = try await ask(witness)
                    search.withLock { $0.answered(by: witness, peers: peers) }
                    return address
                } catch {
                    search.withLock { $0.silent(witness) }
                    trouble = error
                }
            }
            throw trouble
        }
    }

    /// See the methods of these names of `MasterSearch`.
    func failed() { search.withLock { $0.failed() } }

    func connected(to address: RedisConfiguration.Address) -> Bool {
        search.withLock { $0.connected(to: address) }
    }

    /// Returns whether this side ended the connection.
    func disconnected() -> Bool {
        search.withLock { search in
            search.disconnected()
            return search.isLeaving
        }
    }

    func redirected(to address: RedisConfiguration.Address?, in term: UInt64) -> Bool {
        search.withLock { $0.redirected(to: address, in: term) }
    }

    func doubted(in term: UInt64) -> Bool { search.withLock { $0.doubted(in: term) } }

    private func ask(
        _ witness: RedisConfiguration.Address
    ) async throws(RedisError) -> (master: RedisConfiguration.Address, peers: [RedisConfiguration.Address]) {
        switch configuration.topology {
        case .single(let address): (address, [])
        case .sentinel(let sentinels): (try await ask(witness, of: sentinels), [])
        case .cluster: try await askNode(witness)
        }
    }

    private func ask(
        _ sentinel: RedisConfiguration.Address, of sentinels: RedisConfiguration.Sentinels
    ) async throws(RedisError) -> RedisConfiguration.Address {
        var its = Self.dataConfiguration(configuration)
        (its.user, its.password, its.database) = (sentinels.user, sentinels.password, 0)
        its.usesTLS = sentinels.usesTLS
        let link = RedisLink(configuration: its, isBlocking: false)
        defer { link.close() }
        let question: [RedisArgument] = [
            "SENTINEL", "GET-MASTER-ADDR-BY-NAME", RedisArgument(sentinels.master),
        ]
        let reply = try await link.connect(to: sentinel, greeting: question)
        guard let fields = reply.array, fields.count == 2, let host = fields[0].text,
            let port = fields[1].int,
            (1...65_535).contains(port)
        else {
            throw RedisError(
                .connectFailed, "the sentinel at \(sentinel) knows no master '\(sentinels.master)'")
        }
        return .host(host, port: Int(port))
    }

    private func askNode(
        _ node: RedisConfiguration.Address
    ) async throws(RedisError) -> (master: RedisConfiguration.Address, peers: [RedisConfiguration.Address]) {
        // Any node will do at first when we do not know which keys there will be.
        guard let key = configuration.slotKey else { return (node, []) }
        let its = Self.dataConfiguration(configuration)
        let link = RedisLink(configuration: its, isBlocking: false)
        defer { link.close() }
        let slot = try await link.connect(to: node, greeting: ["CLUSTER", "KEYSLOT", RedisArgument(key)])
        let reply = try await link.send(["CLUSTER", "SLOTS"], timeout: its.connectTimeout)
        if case .error(let text) = reply { throw RedisError(refusal: text) }
        let slots = ClusterSlots(reply, slot: slot.int ?? 0, sender: node)
        guard let owner = slots.owner else {
            throw RedisError(.connectFailed, "the node at \(node) knows no owner of the slot of '\(key)'")
        }
        return (owner, [owner] + slots.peers)
    }
}
