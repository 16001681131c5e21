<?php
// Makes a token by which the chat knows somebody who is logged in at this site:
//
//     require 'token.php';
//     $token = veche_token($user->id, $user->name, $user->isEditor ? 'editor' : null);
//
// Give it to the chat page behind the room, where no log of a server sees it, or say it in
// `hello` from a page of your own:
//
//     echo "<a href='https://chat.example/#lobby&token=$token'>Chat</a>";

const VECHE_JWT_SECRET_FILE = '/etc/veche/jwt-secret';    // as in --jwt-secret-file

function veche_token(int|string $id, string $name, ?string $role = null, int $seconds = 3600): string
{
    $part = fn (array $fields): string => rtrim(strtr(
        base64_encode(json_encode($fields, JSON_THROW_ON_ERROR)), '+/', '-_'), '=');
    $claims = ['sub' => (string) $id, 'name' => $name, 'exp' => time() + $seconds];
    if ($role !== null) {
        $claims['role'] = $role;
    }
    $signed = $part(['alg' => 'HS256', 'typ' => 'JWT']) . '.' . $part($claims);
    $secret = rtrim(file_get_contents(VECHE_JWT_SECRET_FILE));
    $signature = hash_hmac('sha256', $signed, $secret, true);
    return $signed . '.' . rtrim(strtr(base64_encode($signature), '+/', '-_'), '=');
}
