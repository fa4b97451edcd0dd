// The common emoji by their names at Slack.
const NAMED = `
+1 👍 -1 👎 thumbsup 👍 thumbsdown 👎 ok_hand 👌 clap 👏 wave 👋 pray 🙏 raised_hands 🙌 muscle 💪 point_up ☝️
point_right 👉 point_left 👈 point_down 👇 handshake 🤝 v ✌️ crossed_fingers 🤞 facepalm 🤦 shrug 🤷 eyes 👀
smile 😄 smiley 😃 grinning 😀 grin 😁 joy 😂 rofl 🤣 laughing 😆 sweat_smile 😅 slightly_smiling_face 🙂 blush 😊
wink 😉 heart_eyes 😍 kissing_heart 😘 sunglasses 😎 thinking_face 🤔 neutral_face 😐 unamused 😒 relieved 😌
sleeping 😴 cry 😢 sob 😭 angry 😠 rage 😡 scream 😱 flushed 😳 confused 😕 worried 😟 upside_down_face 🙃
nerd_face 🤓 hugging_face 🤗 partying_face 🥳 zany_face 🤪 skull 💀 ghost 👻 robot_face 🤖 alien 👽 poop 💩
heart ❤️ broken_heart 💔 blue_heart 💙 green_heart 💚 yellow_heart 💛 purple_heart 💜 sparkles ✨ star ⭐ star2 🌟
boom 💥 fire 🔥 zap ⚡ rainbow 🌈 sunny ☀️ cloud ☁️ umbrella ☔ snowflake ❄️ tada 🎉 confetti_ball 🎊 balloon 🎈
gift 🎁 birthday 🎂 cake 🍰 coffee ☕ tea 🍵 beer 🍺 beers 🍻 pizza 🍕 taco 🌮 hamburger 🍔 apple 🍎 cookie 🍪
trophy 🏆 medal 🏅 soccer ⚽ dart 🎯 game_die 🎲 musical_note 🎵 art 🎨 movie_camera 🎥 camera 📷 computer 💻 iphone 📱
rocket 🚀 airplane ✈️ car 🚗 bike 🚲 ship 🚢 house 🏠 office 🏢 hospital 🏥 earth_africa 🌍 globe_with_meridians 🌐
white_check_mark ✅ heavy_check_mark ✔️ x ❌ heavy_plus_sign ➕ heavy_minus_sign ➖ question ❓ exclamation ❗ bangbang ‼️
warning ⚠️ no_entry ⛔ no_entry_sign 🚫 construction 🚧 rotating_light 🚨 red_circle 🔴 large_blue_circle 🔵 100 💯
bulb 💡 memo 📝 pencil ✏️ pencil2 ✏️ book 📖 books 📚 bookmark 🔖 link 🔗 paperclip 📎 pushpin 📌 round_pushpin 📍
calendar 📅 date 📅 clock1 🕐 hourglass ⌛ hourglass_flowing_sand ⏳ alarm_clock ⏰ stopwatch ⏱️ bell 🔔 no_bell 🔕
mag 🔍 lock 🔒 unlock 🔓 key 🔑 hammer 🔨 wrench 🔧 gear ⚙️ hammer_and_wrench 🛠️ package 📦 mailbox 📫 email 📧
envelope ✉️ phone ☎️ speech_balloon 💬 thought_balloon 💭 loudspeaker 📢 mega 📣 chart_with_upwards_trend 📈
chart_with_downwards_trend 📉 bar_chart 📊 moneybag 💰 dollar 💵 credit_card 💳 dog 🐶 cat 🐱 mouse 🐭 unicorn_face 🦄
bug 🐛 bee 🐝 turtle 🐢 snake 🐍 whale 🐳 penguin 🐧 monkey_face 🐵 see_no_evil 🙈 parrot 🦜 octopus 🐙 deciduous_tree 🌳
evergreen_tree 🌲 four_leaf_clover 🍀 rose 🌹 sunflower 🌻 arrow_right ➡️ arrow_left ⬅️ arrow_up ⬆️ arrow_down ⬇️
arrows_counterclockwise 🔄 recycle ♻️ one 1️⃣ two 2️⃣ three 3️⃣ four 4️⃣ five 5️⃣ checkered_flag 🏁 crown 👑 gem 💎
`;

const words = NAMED.trim().split(/\s+/);
export const EMOJI = new Map();
for (let index = 0; index < words.length; index += 2) EMOJI.set(words[index], words[index + 1]);

/** The picker's: what people put under messages. */
export const COMMON = [
  "+1", "-1", "tada", "heart", "joy", "eyes", "white_check_mark", "x",
  "rocket", "fire", "clap", "pray", "wave", "thinking_face", "sob", "bookmark",
  "100", "bulb", "bug", "warning", "coffee", "pizza", "robot_face", "sparkles",
];

/** The sign of a name, or null; skin tones are left out. */
export function sign(name) {
  return EMOJI.get(name.replace(/::skin-tone-\d$/, "")) ?? null;
}
