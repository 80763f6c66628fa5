// SPDX-License-Identifier: Apache-2.0

import CCurl

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// A resolved address, in host byte order.
enum IPAddress: Hashable {
    case v4(UInt32)
    case v6(high: UInt64, low: UInt64)

    /// Whether it is a unicast address of the public internet.
    ///
    /// Follows the IANA special-purpose registries (RFC 6890 and its updates). An IPv6 address that stands
    /// for an IPv4 address is judged as that address.
    var isPublic: Bool {
        switch self {
        case .v4(let address): !Self.specialV4.contains { $0.contains(address) }
        case .v6(let high, let low): Self.isPublic(high: high, low: low)
        }
    }

    private struct BlockV4 {
        let address: UInt32
        let prefix: Int

        init(_ a: UInt32, _ b: UInt32, _ c: UInt32, _ d: UInt32, _ prefix: Int) {
            address = a << 24 | b << 16 | c << 8 | d
            self.prefix = prefix
        }

        func contains(_ other: UInt32) -> Bool { (address ^ other) >> (32 - prefix) == 0 }
    }

    private static let specialV4 = [
        BlockV4(0, 0, 0, 0, 8),  // this network, unspecified
        BlockV4(10, 0, 0, 0, 8),  // private
        BlockV4(100, 64, 0, 0, 10),  // carrier-grade NAT
        BlockV4(127, 0, 0, 0, 8),  // loopback
        BlockV4(169, 254, 0, 0, 16),  // link-local, cloud metadata
        BlockV4(172, 16, 0, 0, 12),  // private
        BlockV4(192, 0, 0, 0, 24),  // protocol assignments
        BlockV4(192, 0, 2, 0, 24),  // documentation
        BlockV4(192, 88, 99, 0, 24),  // former 6to4 relays
        BlockV4(192, 168, 0, 0, 16),  // private
        BlockV4(198, 18, 0, 0, 15),  // benchmarking
        BlockV4(198, 51, 100, 0, 24),  // documentation
        BlockV4(203, 0, 113, 0, 24),  // documentation
        BlockV4(224, 0, 0, 0, 4),  // multicast
        BlockV4(240, 0, 0, 0, 4),  // reserved, broadcast
    ]

    private static func isPublic(high: UInt64, low: UInt64) -> Bool {
        let embedded = IPAddress.v4(UInt32(truncatingIfNeeded: low))
        // ::ffff:0:0/96, an IPv4 address on an IPv6 socket.
        if high == 0, low >> 32 == 0xffff { return embedded.isPublic }
        // 64:ff9b::/96, what DNS64 makes of an IPv4 address in a network with NAT64.
        if high == 0x0064_ff9b_0000_0000, low >> 32 == 0 { return embedded.isPublic }
        // Only 2000::/3 is global unicast: this leaves out ::1, ::, fc00::/7, fe80::/10, ff00::/8,
        // 64:ff9b:1::/48.
        guard high >> 61 == 0b001 else { return false }
        if high >> 41 == 0x2001_0000 >> 9 { return false }  // 2001::/23, protocol assignments, Teredo
        if high >> 32 == 0x2001_0db8 { return false }  // documentation
        if high >> 48 == 0x2002 { return false }  // 6to4, which wraps any IPv4 address
        if high >> 44 == 0x3fff0 { return false }  // 3fff::/20, documentation
        return true
    }
}

extension IPAddress {
    /// The address and port that a socket is about to connect to; nil when the family is not IP.
    static func read(_ address: UnsafePointer<curl_sockaddr>) -> (address: IPAddress, port: Int)? {
        guard let offset = MemoryLayout<curl_sockaddr>.offset(of: \.addr) else { return nil }
        // `addr` is declared as the short generic type, but has `addrlen` bytes.
        let raw = UnsafeRawPointer(address) + offset
        let count = Int(address.pointee.addrlen)
        switch address.pointee.family {
        case AF_INET where count >= MemoryLayout<sockaddr_in>.size:
            let socket = raw.loadUnaligned(as: sockaddr_in.self)
            return (.v4(UInt32(bigEndian: socket.sin_addr.s_addr)), Int(UInt16(bigEndian: socket.sin_port)))
        case AF_INET6 where count >= MemoryLayout<sockaddr_in6>.size:
            let socket = raw.loadUnaligned(as: sockaddr_in6.self)
            let (high, low) = withUnsafeBytes(of: socket.sin6_addr) {
                ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            }
            return (
                .v6(high: UInt64(bigEndian: high), low: UInt64(bigEndian: low)),
                Int(UInt16(bigEndian: socket.sin6_port))
            )
        default:
            return nil
        }
    }
}
