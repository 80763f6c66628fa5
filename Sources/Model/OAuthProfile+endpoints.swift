// SPDX-License-Identifier: Apache-2.0

extension OAuthProfile {
    private static let opening = "${config."

    /// An endpoint with the integration's values in its places; nil when one has no usable value.
    ///
    /// Secrets go to an endpoint. So a value is letters, digits and `-`: it can be a label of the host's name or a part of the path,
    /// and never lead to another host.
    public static func endpoint(_ url: String, _ configuration: [String: String]) -> String? {
        var result = ""
        var rest = url[...]
        while let place = rest.firstRange(of: opening) {
            guard let end = rest[place.upperBound...].firstIndex(of: "}"),
                let value = configuration[String(rest[place.upperBound..<end])], isLabel(value)
            else { return nil }
            result += rest[..<place.lowerBound] + value
            rest = rest[rest.index(after: end)...]
        }
        return result + rest
    }

    /// The names of the values that the endpoints need.
    public var endpointNames: Set<String> {
        var urls = [tokenURL, revocation?.url].compactMap(\.self)
        if case .authorizationCode(let consent) = grant { urls.append(consent.url) }
        var names: Set<String> = []
        for url in urls {
            for place in url.ranges(of: Self.opening) {
                names.insert(String(url[place.upperBound...].prefix { $0 != "}" }))
            }
        }
        return names
    }

    /// Whether a value may stand in a place of a URL's host or path.
    public static func isLabel(_ value: String) -> Bool {
        !value.isEmpty && value.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
    }
}
