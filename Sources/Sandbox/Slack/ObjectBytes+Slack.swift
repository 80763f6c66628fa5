// SPDX-License-Identifier: Apache-2.0

extension Object {
    mutating func channel(team: String) -> String {
        let name = index == 0 ? "general" : "team-\(index)\(revision > 0 ? "-\(revision)" : "")"
        let changed = updated * 1_000 + Int64(index % 1_000)
        return """
            {"id":"\(id)","name":"\(name)","is_channel":true,"is_group":false,"is_im":false,\
            "is_mpim":false,"is_private":\(isPrivateChannel),"created":\(created),\
            "is_archived":\(state.isDeleted),"is_general":\(index == 0),"unlinked":0,\
            "name_normalized":"\(name)","is_shared":false,"is_org_shared":false,\
            "is_pending_ext_shared":false,"pending_shared":[],"context_team_id":"\(team)",\
            "updated":\(changed),"parent_conversation":null,"creator":"USLACKBOT","is_ext_shared":false,\
            "shared_team_ids":["\(team)"],"pending_connected_team_ids":[],"is_member":\(!state.isDeleted),\
            "topic":{"value":\(pick(Self.meetings)),"creator":"USLACKBOT","last_set":\(created)},\
            "purpose":{"value":"","creator":"","last_set":0},"previous_names":[],\
            "num_members":\(3 + random.below(40) + revision)}
            """
    }

    private var isPrivateChannel: Bool { index % 5 == 4 }

    mutating func member(team: String) -> String {
        let name = "user\(index)"
        let head = #"{"id":"\#(id)","team_id":"\#(team)","name":"\#(name)","deleted":\#(state.isDeleted)"#
        let people = pick(Self.people)
        if state.isDeleted {
            return head + """
                ,"profile":{"real_name":\(people),"display_name":"","team":"\(team)"},"is_bot":false,\
                "is_app_user":false,"updated":\(updated)}
                """
        }
        return head + """
            ,"color":"9f69e7","real_name":\(people),"tz":"Europe/Berlin",\
            "tz_label":"Central European Summer Time","tz_offset":7200,"profile":{"title":"",\
            "phone":"","real_name":\(people),"display_name":"\(name)",\
            "status_text":"\(revision == 0 ? "" : "away \(revision) \\u2615")",\
            "email":"\(name)@example.com","avatar_hash":"g\(String(random.next() >> 24, radix: 16))",\
            "team":"\(team)"},"is_admin":\(index == 0),"is_owner":\(index == 0),"is_restricted":false,\
            "is_bot":\(oneIn(12)),"is_app_user":false,"updated":\(updated),\
            "is_email_confirmed":true}
            """
    }

    mutating func message(team: String, author: String) -> String {
        var members: [(String, String)] = [
            ("type", "\"message\""), ("user", written?.members["user"] ?? "\"\(author)\""),
            ("ts", "\"\(id)\""),
            ("team", "\"\(team)\""),
        ]
        if let written {
            for name in ["client_msg_id", "text", "blocks", "attachments", "app_id", "bot_id", "metadata"] {
                if let value = written.members[name] { members.append((name, value)) }
            }
        } else {
            members.append(("client_msg_id", "\"\(uuid())\""))
            members.append(("text", text()))
        }
        if revision > 0 {
            members.append(("edited", #"{"user":"\#(author)","ts":"\#(updated).000000"}"#))
        }
        if let root = collection.root(of: index) {
            members.append(("thread_ts", "\"\(collection.messageTime(root))\""))
        } else {
            members += thread()
        }
        return "{" + members.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}"
    }

    /// Edited text differs in its last words.
    private mutating func text() -> String {
        let text = pick(Self.meetings + Self.things)
        return revision == 0 ? text : "\(text.dropLast()) (edit \(revision))\""
    }

    /// What a message shows of the thread below it.
    private func thread() -> [(String, String)] {
        let replies = collection.replies(to: index)
        guard let latest = replies.last else { return [] }
        return [
            ("thread_ts", "\"\(id)\""), ("reply_count", "\(replies.count)"),
            ("latest_reply", "\"\(collection.messageTime(latest))\""), ("is_locked", "false"),
            ("subscribed", "false"),
        ]
    }

    private mutating func uuid() -> String {
        let digits = Array(
            String(random.next() | 1 << 63, radix: 16) + String(random.next() | 1 << 63, radix: 16))
        let parts = [digits[0..<8], digits[8..<12], digits[12..<16], digits[16..<20], digits[20..<32]]
        return parts.map { String($0) }.joined(separator: "-")
    }
}
