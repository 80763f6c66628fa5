// SPDX-License-Identifier: Apache-2.0

/// The addresses that a connection may go to.
///
/// It is asked for the resolved address at the moment the socket is made, so neither a name that resolves to
/// a private address, nor one that resolves differently the second time, nor an odd spelling of an address
/// gets around it.
public struct AddressPolicy: Sendable, Hashable {
    /// Public unicast addresses only.
    public static let publicOnly = AddressPolicy(exempt: [])

    private let exempt: Set<String>

    private init(exempt: Set<String>) {
        self.exempt = exempt
    }

    /// Public addresses, and any address for these `host:port` pairs of the operator, such as `sandbox:8080`
    /// or `[::1]:8080`. An entry is compared with the host as the URL writes it, in lower case.
    public static func allowing(hosts: Set<String>) -> AddressPolicy {
        AddressPolicy(exempt: Set(hosts.map { $0.lowercased() }))
    }

    /// Why an entry for `allowing(hosts:)` can match nothing, as a sentence; nil when it can.
    public static func problem(withHost entry: String) -> String? {
        guard let colon = entry.utf8.lastIndex(of: UInt8(ascii: ":")) else {
            return "\"\(entry)\" has no port: write host:port"
        }
        let host = entry[..<colon]
        let digits = entry[colon...].dropFirst()
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let port = Int(digits), (1...65535).contains(port), String(port) == digits
        else { return "\"\(entry)\" does not end with a port from 1 to 65535" }
        if host.isEmpty { return "\"\(entry)\" has no host" }
        if host.utf8.contains(UInt8(ascii: ":")), !(host.hasPrefix("[") && host.hasSuffix("]")) {
            return "\"\(entry)\" has an IPv6 address without brackets, or a scheme"
        }
        if host.utf8.contains(UInt8(ascii: "/")) || host.utf8.contains(UInt8(ascii: "@")) {
            return "\"\(entry)\" has more than a host and a port"
        }
        return nil
    }

    /// Whether a socket to this address may be made for a URL with this origin.
    func permits(_ address: IPAddress, port: Int, for target: RequestTarget) -> Bool {
        guard port == target.port else { return false }
        return address.isPublic || exempt.contains(target.origin)
    }
}

/// The addresses of services that an operator points elsewhere, such as to a sandbox.
public enum ServiceAddress {
    /// The `host:port` of each URL; the operator's word is what exempts them from the policy.
    public static func hosts(of serviceURLs: [String: String]) -> Set<String> {
        Set(
            serviceURLs.values.compactMap { url in
                guard let scheme = url.firstRange(of: "://") else { return nil }
                let rest = url[scheme.upperBound...]
                let authority = rest[..<(rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex)]
                if authority.last.map(\.isNumber) == true, authority.contains(":") {
                    return String(authority)
                }
                return "\(authority):\(url.hasPrefix("https:") ? 443 : 80)"
            })
    }
}
