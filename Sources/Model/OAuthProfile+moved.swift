// SPDX-License-Identifier: Apache-2.0

extension OAuthProfile {
    /// The profile with its endpoints at another place, such as a sandbox: what goes behind the service's own base URL goes
    /// behind the new one, and of an endpoint on another host the path does.
    public func moved(from own: String, to base: String) -> OAuthProfile {
        func moved(_ url: String) -> String {
            if url.hasPrefix(own + "/") { return base + url.dropFirst(own.count) }
            guard let scheme = url.firstRange(of: "://"),
                let path = url[scheme.upperBound...].firstIndex(of: "/")
            else { return base }
            return base + url[path...]
        }
        var profile = self
        profile.tokenURL = moved(tokenURL)
        if let url = revocation?.url { profile.revocation?.url = moved(url) }
        if case .authorizationCode(var consent) = grant {
            consent.url = moved(consent.url)
            // Whoever answers at the other place is not the provider, and has a name of its own.
            if consent.issuer != base { (consent.issuer, consent.requiresIssuer) = (nil, false) }
            profile.grant = .authorizationCode(consent)
        }
        return profile
    }
}
