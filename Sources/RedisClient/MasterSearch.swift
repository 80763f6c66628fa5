// SPDX-License-Identifier: Apache-2.0

/// What is known about the one server that takes our commands: a value without effects.
///
/// Each connection to it is a term. A doubt or a redirect counts only in the term in which the command was
/// sent, so that the many refusals of one failover end one term and not the next one too.
struct MasterSearch: Sendable {
    typealias Address = RedisConfiguration.Address

    /// How to get to the server.
    enum Step: Equatable {
        /// Connect to it; whether it is the master shows then.
        case connect(Address)
        /// Ask these in turn where it is, until one answers.
        case ask([Address])
    }

    /// More nodes than that are not remembered; any one that lives is enough.
    private static let witnessLimit = 32

    private let fixed: Address?
    /// The URL's, which are always asked too: the addresses that a cluster tells may all be out of date.
    private let seeds: [Address]
    /// Who is asked, in this order.
    private(set) var witnesses: [Address]
    /// Whose answer is being tried.
    private var trusted: Address?
    /// The node that a redirect named.
    private var hint: Address?
    /// The server that is connected; nil while there is none, or it is being left.
    private(set) var serving: Address?
    /// Counts the connections.
    private(set) var term: UInt64 = 0
    /// The connection is being ended by this side.
    private(set) var isLeaving = false

    init(_ topology: RedisConfiguration.Topology) {
        switch topology {
        case .single(let address): (fixed, seeds) = (address, [])
        case .sentinel(let sentinels): (fixed, seeds) = (nil, sentinels.addresses)
        case .cluster(let nodes): (fixed, seeds) = (nil, nodes)
        }
        witnesses = seeds
        serving = fixed
    }

    var nextStep: Step {
        if let address = fixed ?? hint { return .connect(address) }
        return .ask(witnesses)
    }

    /// A witness named the server, and perhaps other nodes that may be asked later.
    mutating func answered(by witness: Address, peers: [Address] = []) {
        trusted = witness
        guard !peers.isEmpty else { return }
        var seen: Set<Address> = []
        let known = [witness] + peers.prefix(Self.witnessLimit) + seeds
        witnesses = known.filter { seen.insert($0).inserted }
    }

    /// A witness did not answer: it is asked last from now on.
    mutating func silent(_ witness: Address) { demote(witness) }

    /// The server could not be reached, or is no master: whoever named it is asked last.
    mutating func failed() {
        hint = nil
        if let trusted { demote(trusted) }
        trusted = nil
    }

    /// The server is connected and is a master. Returns false when the connection before it was left for this
    /// one, true when it broke.
    mutating func connected(to address: Address) -> Bool {
        let wasLeft = isLeaving
        term += 1
        (serving, isLeaving, hint) = (address, false, nil)
        if let trusted, let index = witnesses.firstIndex(of: trusted) {
            witnesses.insert(witnesses.remove(at: index), at: 0)
        }
        trusted = nil
        return !wasLeft
    }

    /// The connection is gone.
    mutating func disconnected() {
        serving = fixed
    }

    /// A redirect came in this term: says whether to leave the connection for the node that it names.
    mutating func redirected(to address: Address?, in term: UInt64) -> Bool {
        guard let address else { return doubted(in: term) }
        guard leave(term) else { return false }
        hint = address
        return true
    }

    /// The server refused to serve in this term: says whether to leave the connection and to ask again.
    mutating func doubted(in term: UInt64) -> Bool {
        guard let address = serving, leave(term) else { return false }
        demote(address)
        return true
    }

    private mutating func leave(_ term: UInt64) -> Bool {
        guard fixed == nil, term == self.term, serving != nil, !isLeaving else { return false }
        (serving, isLeaving) = (nil, true)
        return true
    }

    private mutating func demote(_ address: Address) {
        guard let index = witnesses.firstIndex(of: address) else { return }
        witnesses.append(witnesses.remove(at: index))
    }
}
