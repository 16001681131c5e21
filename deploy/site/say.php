<?php
// Says something in a room of the chat, from any PHP page or script:
//
//     require 'say.php';
//     veche_say('lobby', "Order $number was paid", 'Shop', "order-$number-paid");
//
// With the same $key again nothing is said twice, so it may be called until it succeeds.
// Returns the message with its number (seq), or throws.

const VECHE_URL = 'http://127.0.0.1:7777';
const VECHE_TOKEN_FILE = '/etc/veche/api-token';    // as in --api-token-file

function veche_say(string $room, string $text, string $name = 'site', ?string $key = null): array
{
    $headers = [
        'Authorization: Bearer ' . trim(file_get_contents(VECHE_TOKEN_FILE)),
        'Content-Type: application/json',
    ];
    if ($key !== null) {
        if (!preg_match('/^[\w-]{1,64}$/D', $key)) {
            throw new InvalidArgumentException('a key is 1 to 64 of A-Z, a-z, 0-9, _ and -');
        }
        $headers[] = "Idempotency-Key: $key";
    }
    $context = stream_context_create(['http' => [
        'method' => 'POST',
        'header' => $headers,
        'content' => json_encode(['text' => $text, 'name' => $name], JSON_THROW_ON_ERROR),
        'timeout' => 5,
        'ignore_errors' => true,
    ]]);
    $url = VECHE_URL . '/api/rooms/' . rawurlencode($room) . '/messages';
    $answer = file_get_contents($url, false, $context);
    if ($answer === false) {
        throw new RuntimeException('the chat is not there');
    }
    $message = json_decode($answer, true);
    if (($message['type'] ?? 'error') === 'error') {
        throw new RuntimeException($message['text'] ?? trim($answer));
    }
    return $message;
}
