// SPDX-License-Identifier: Apache-2.0

/// A token answer in the form of its server.
struct OAuthAnswer {
    let server: OAuthServer
    let isRefresh: Bool

    func response(_ issued: OAuthGrants.Issued, bytes: ObjectBytes)
        -> SandboxResponse
    {
        let scope = JSONText.quoted(issued.grant.scopes.joined(separator: String(server.separator)))
        var members: [(String, String?)] = [
            ("access_token", JSONText.quoted(issued.access)),
            ("refresh_token", issued.refresh.map { JSONText.quoted($0) }),
            ("expires_in", issued.expiresIn.map { "\($0)" }), ("scope", scope),
        ]
        switch server {
        case .generic, .google: members.append(("token_type", "\"Bearer\""))
        case .slack: members = slack(members, issued, bytes)
        case .stripe:
            members += [
                ("token_type", "\"bearer\""), ("livemode", "false"),
                ("stripe_publishable_key", "\"pk_test_sandbox\""),
                ("stripe_user_id", "\"acct_1\(issued.grant.user)\""),
            ]
        }
        return SandboxResponse(json: Self.object(members))
    }

    /// The token of a person stands in `authed_user` when it comes of a code, and at the top when it comes of a refresh token
    /// (https://docs.slack.dev/authentication/using-token-rotation).
    private func slack(
        _ tokens: [(String, String?)], _ issued: OAuthGrants.Issued, _ bytes: ObjectBytes
    ) -> [(String, String?)] {
        let user = JSONText.quoted(bytes.id(CollectionKey(user: issued.grant.user, stream: .users), 0))
        let isOfUser = issued.grant.isOfUser
        let type = isOfUser ? "\"user\"" : "\"bot\""
        let isNested = isOfUser && !isRefresh
        var members: [(String, String?)] = [("ok", "true")]
        if !isNested { members += tokens + [("token_type", type)] }
        if !isOfUser { members.append(("bot_user_id", "\"U0LOCKSTEPBOT\"")) }
        members += [
            ("app_id", "\"A0LOCKSTEP\""),
            ("team", #"{"id":"\#(bytes.team(issued.grant.user))","name":"Sandbox"}"#),
            ("enterprise", "null"), ("is_enterprise_install", "false"),
            (
                "authed_user",
                Self.object([("id", user)] + (isNested ? tokens + [("token_type", type)] : []))
            ),
        ]
        return members
    }

    private static func object(_ members: [(String, String?)]) -> String {
        let text = members.compactMap { name, value in value.map { "\"\(name)\":\($0)" } }
        return "{\(text.joined(separator: ","))}"
    }
}
