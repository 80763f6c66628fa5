// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import HTTPTransport

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

extension IPAddress {
    /// An address as text; nil for anything else.
    fileprivate init?(_ text: String) {
        var (four, six) = (in_addr(), in6_addr())
        if inet_pton(AF_INET, text, &four) == 1 {
            self = .v4(UInt32(bigEndian: four.s_addr))
        } else if inet_pton(AF_INET6, text, &six) == 1 {
            let bytes = withUnsafeBytes(of: six) { Array($0) }
            func number(_ half: ArraySlice<UInt8>) -> UInt64 { half.reduce(0) { $0 << 8 | UInt64($1) } }
            self = .v6(high: number(bytes[..<8]), low: number(bytes[8...]))
        } else {
            return nil
        }
    }
}

/// What the egress policy lets through, as Kubernetes reads it.
@Suite struct `The network policy` {
    private struct Block {
        let network: IPAddress
        let prefix: Int

        init(_ text: String) throws {
            let parts = text.split(separator: "/")
            network = try #require(IPAddress(String(parts[0])))
            prefix = try #require(parts.count == 2 ? Int(parts[1]) : nil)
        }

        func contains(_ address: IPAddress) -> Bool {
            switch (network, address) {
            case (.v4(let own), .v4(let other)): prefix == 0 || (own ^ other) >> UInt32(32 - prefix) == 0
            case (.v6(let high, let low), .v6(let otherHigh, let otherLow)):
                prefix <= 64
                    ? prefix == 0 || (high ^ otherHigh) >> UInt64(64 - prefix) == 0
                    : high == otherHigh && (low ^ otherLow) >> UInt64(128 - prefix) == 0
            default: false
            }
        }
    }

    private struct Rule {
        let blocks: [(block: Block, except: [Block])]
        let ports: [Int]

        func permits(_ address: IPAddress, _ port: Int) -> Bool {
            ports.contains(port)
                && blocks.contains { entry in
                    entry.block.contains(address) && !entry.except.contains { $0.contains(address) }
                }
        }
    }

    private let rules: [Rule]

    init() throws {
        let policy = try #require(
            try Manifests().all("NetworkPolicy").first { $0["metadata", "name"].text == "lockstep-egress" })
        #expect(policy["spec", "policyTypes"].texts.contains("Egress"))
        rules = try policy["spec", "egress"].list.map { rule in
            // Without ports, or without a destination, everything would be permitted.
            let ports = rule["ports"].list.compactMap { $0["port"].number }
            try #require(!ports.isEmpty && !rule["to"].list.isEmpty)
            return Rule(
                blocks: try rule["to"].list.compactMap { peer in
                    guard let cidr = peer["ipBlock", "cidr"].text else { return nil }
                    return (try Block(cidr), try peer["ipBlock", "except"].texts.map { try Block($0) })
                }, ports: ports)
        }
    }

    private func permits(_ address: String, _ port: Int) throws -> Bool {
        let parsed = try #require(IPAddress(address), "\(address)")
        return rules.contains { $0.permits(parsed, port) }
    }

    @Test(arguments: ["169.254.169.254", "169.254.170.2", "fd00:ec2::254", "fe80::1"])
    func `keeps everybody from the metadata of the machine`(_ address: String) throws {
        for port in [53, 80, 443, 5_432, 6_379, 6_432, 8_080, 26_379] {
            #expect(try !permits(address, port), "\(address):\(port)")
        }
    }

    @Test(arguments: [
        "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.100.100.200", "127.0.0.1", "0.0.0.0",
        "192.0.0.192",
        "198.19.0.1", "224.0.0.1", "255.255.255.255", "fc00::1", "::1", "::ffff:10.0.0.1",
    ])
    func `lets nobody ask a private address as a provider`(_ address: String) throws {
        #expect(try #require(IPAddress(address)).isPublic == false)
        for port in [80, 443, 8_443] { #expect(try !permits(address, port), "\(address):\(port)") }
    }

    @Test(arguments: [
        "1.1.1.1", "9.255.255.255", "172.15.0.1", "172.32.0.1", "192.169.0.1", "2606:4700::1111",
    ])
    func `lets providers through, and servers`(_ address: String) throws {
        #expect(try #require(IPAddress(address)).isPublic)
        #expect(try permits(address, 443) && permits(address, 5_432) && permits(address, 6_379))
        #expect(try !permits(address, 25))
    }
}
