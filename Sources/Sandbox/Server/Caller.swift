// SPDX-License-Identifier: Apache-2.0

/// Who sends a request, by its token.
enum Caller: Sendable, Equatable {
    /// A user, with the scopes of the token; nil for all.
    case account(Int, scopes: [String]?)
    case expired
    case revoked
    case unknown

    var user: Int? {
        if case .account(let user, _) = self { user } else { nil }
    }
}
