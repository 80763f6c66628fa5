// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import RedisClient

private typealias Address = RedisConfiguration.Address

private func node(_ name: String) -> Address { .host(name, port: 1) }

@Suite struct `The search for the master` {
    private func sentinels(_ names: String...) -> MasterSearch {
        MasterSearch(.sentinel(.init(addresses: names.map(node), master: "main")))
    }

    private func cluster(_ names: String...) -> MasterSearch {
        MasterSearch(.cluster(seeds: names.map(node)))
    }

    @Test func `has nothing to search with a single server`() {
        var search = MasterSearch(.single(node("a")))
        #expect(search.nextStep == .connect(node("a")) && search.serving == node("a"))
        #expect(search.connected(to: node("a")) == true)
        #expect(search.doubted(in: search.term) == false)
        #expect(search.redirected(to: node("b"), in: search.term) == false)
        search.disconnected()
        #expect(search.nextStep == .connect(node("a")) && search.serving == node("a"))
    }

    @Test func `asks first who was right, and last who was wrong`() {
        var search = sentinels("1", "2", "3")
        #expect(search.nextStep == .ask([node("1"), node("2"), node("3")]))
        search.answered(by: node("1"))
        search.failed()
        #expect(search.nextStep == .ask([node("2"), node("3"), node("1")]))
        search.silent(node("2"))
        #expect(search.nextStep == .ask([node("3"), node("1"), node("2")]))
        search.answered(by: node("1"))
        #expect(search.connected(to: node("m")) == true)
        #expect(search.serving == node("m"))
        search.disconnected()
        #expect(search.serving == nil)
        #expect(search.nextStep == .ask([node("1"), node("3"), node("2")]))
    }

    @Test func `leaves a server once a term, however many commands it refuses`() {
        var search = sentinels("1")
        _ = search.connected(to: node("m"))
        let term = search.term
        #expect(search.doubted(in: term) == true)
        #expect(search.serving == nil && search.isLeaving)
        #expect(search.doubted(in: term) == false)
        search.disconnected()
        #expect(search.connected(to: node("n")) == false, "left on purpose")
        #expect(search.doubted(in: term) == false, "the refusal of an earlier server")
        #expect(search.serving == node("n") && !search.isLeaving)
        #expect(search.doubted(in: search.term) == true)
    }

    @Test func `goes where a redirect points, and asks again when that was wrong`() {
        var search = cluster("a", "b")
        search.answered(by: node("a"), peers: [node("a"), node("c")])
        _ = search.connected(to: node("a"))
        let term = search.term
        #expect(search.redirected(to: node("c"), in: term) == true)
        #expect(search.redirected(to: node("b"), in: term) == false, "contradicts the first one")
        search.disconnected()
        #expect(search.nextStep == .connect(node("c")))
        search.failed()
        #expect(search.nextStep == .ask([node("a"), node("c"), node("b")]))
    }

    @Test func `asks others than the node that refuses to serve`() {
        var search = cluster("a", "b")
        search.answered(by: node("a"), peers: [node("a"), node("c")])
        _ = search.connected(to: node("a"))
        #expect(search.redirected(to: nil, in: search.term) == true, "a redirect to nowhere")
        #expect(search.nextStep == .ask([node("c"), node("b"), node("a")]))
    }

    @Test func `remembers a bounded number of nodes and always the URL's`() {
        var search = cluster("seed")
        search.answered(by: node("seed"), peers: (0..<1_000).map { node("\($0)") })
        #expect(search.witnesses.count == 33)
        search.answered(by: node("0"), peers: [node("0"), node("1")])
        #expect(search.witnesses == [node("0"), node("1"), node("seed")])
    }
}

@Suite struct `A redirect` {
    @Test func `is read from the refusal`() {
        let sender = node("s")
        func read(_ text: String) -> Redirect? { Redirect(refusal: text, sender: sender) }
        #expect(read("MOVED 3999 10.0.0.1:6381") == .moved(.host("10.0.0.1", port: 6_381)))
        #expect(read("MOVED 3999 ::1:6381") == .moved(.host("::1", port: 6_381)))
        #expect(read("MOVED 3999 :6381") == .moved(.host("s", port: 6_381)))
        #expect(read("MOVED 3999 ?:6381") == .moved(nil))
        #expect(read("ASK 3999 h.example:6381") == .ask(.host("h.example", port: 6_381)))
        #expect(read("TRYAGAIN Multiple keys request during rehashing of slot") == .tryAgain)
        for text in [
            "READONLY You can't write against a read only replica.", "LOADING Redis is loading",
            "MASTERDOWN Link with MASTER is down", "CLUSTERDOWN The cluster is down",
            "NOREPLICAS Not enough good replicas", "UNBLOCKED force unblock",
        ] { #expect(read(text) == .elsewhere) }
        #expect(Redirect(refusal: "MOVED 1 :1", sender: nil) == .moved(nil))
    }

    @Test(arguments: [
        "ERR unknown command", "OOM command not allowed", "NOSCRIPT No matching script", "MOVED", "MOVED 1",
        "ASK 1 h:0", "ASK 1 h", "", "MOVEDX 1 h:1", "BUSY Redis is busy running a script",
    ])
    func `is not any other refusal`(text: String) {
        #expect(Redirect(refusal: text, sender: nil) == nil)
    }

    @Test func `is followed at once, unless nodes contradict each other`() {
        var waits = RedirectWaits()
        for _ in 0..<3 { #expect(waits.wait(after: .moved(node("a"))) == .zero) }
        #expect(waits.wait(after: .ask(node("a"))) == .milliseconds(10))
        #expect(waits.wait(after: .tryAgain) == .milliseconds(20))
        for _ in 0..<10 { _ = waits.wait(after: .elsewhere) }
        #expect(waits.wait(after: .elsewhere) == .milliseconds(250))
    }
}

@Suite struct `The slots of a cluster` {
    private func range(_ first: Int64, _ last: Int64, _ nodes: (String?, Int64)...) -> RedisValue {
        .array(
            [.integer(first), .integer(last)]
                + nodes.map { host, port in
                    .array([host.map { .string(Array($0.utf8)) } ?? .null, .integer(port), .string([])])
                })
    }

    @Test func `tell the owner and all others`() {
        let reply = RedisValue.array([
            range(0, 5, ("a", 1), ("b", 2)), range(6, 6, ("c", 3), ("d", 4), ("e", 5)),
        ])
        let slots = ClusterSlots(reply, slot: 6, sender: node("s"))
        #expect(slots.owner == .host("c", port: 3))
        #expect(
            slots.peers == [
                .host("d", port: 4), .host("e", port: 5), .host("a", port: 1), .host("b", port: 2),
            ])
        #expect(ClusterSlots(reply, slot: 7, sender: node("s")).owner == nil)
    }

    @Test func `may leave out hosts`() {
        let reply = RedisValue.array([range(0, 9, (nil, 7), ("", 8), ("?", 9)), .integer(1), .array([])])
        let slots = ClusterSlots(reply, slot: 0, sender: node("s"))
        #expect(slots.owner == .host("s", port: 7))
        #expect(slots.peers == [.host("s", port: 8)])
    }
}
