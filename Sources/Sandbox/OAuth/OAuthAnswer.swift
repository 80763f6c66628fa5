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
        case .slack:
            let user = bytes.id(CollectionKey(user: issued.grant.user, stream: .users), 0)
            members.insert(("ok", "true"), at: 0)
            members += [
                ("token_type", "\"bot\""), ("bot_user_id", "\"U0LOCKSTEPBOT\""),
                ("app_id", "\"A0LOCKSTEP\""),
                ("team", #"{"id":"\#(bytes.team(issued.grant.user))","name":"Sandbox"}"#),
                ("enterprise", "null"), ("is_enterprise_install", "false"),
                ("authed_user", #"{"id":"\#(user)"}"#),
            ]
        case .stripe:
            members += [
                ("token_type", "\"bearer\""), ("livemode", "false"),
                ("stripe_publishable_key", "\"pk_test_sandbox\""),
                ("stripe_user_id", "\"acct_1\(issued.grant.user)\""),
            ]
        }
        let text = members.compactMap { name, value in value.map { "\"\(name)\":\($0)" } }
        return SandboxResponse(json: "{\(text.joined(separator: ","))}")
    }
}
